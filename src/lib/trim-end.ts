/** `text` without those of `chars` at its end. A regular expression such as `/\/+$/` looks quadratically long for an end. */
export function trimEnd(text: string, chars: string): string {
  let end = text.length;
  while (end > 0 && chars.includes(text[end - 1]!)) end--;
  return text.slice(0, end);
}
