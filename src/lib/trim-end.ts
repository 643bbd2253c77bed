/**
 * Removes all of `chars` from the end of the text. A regular expression such as `/\/+$/` takes quadratic time for this.
 */
export function trimEnd(text: string, chars: string): string {
  let end = text.length;
  while (end > 0 && chars.includes(text[end - 1]!)) end--;
  return text.slice(0, end);
}
