/** The text in lines of at most `width`, broken at blanks, those behind the first with `indent`; other blanks stay. */
export function wrapText(text: string, width: number, indent = ''): string[] {
  const lines: string[] = [];
  let rest = text;
  while (rest.length > width) {
    const at = rest.lastIndexOf(' ', width);
    if (at <= indent.length) break;
    lines.push(rest.slice(0, at).trimEnd());
    rest = `${indent}${rest.slice(at).trim()}`;
  }
  return [...lines, rest];
}
