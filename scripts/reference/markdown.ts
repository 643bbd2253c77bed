/** A Markdown table; a cell may hold `|` and line breaks. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.map(cell).join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

function cell(text: string): string {
  return text
    .replaceAll('|', '\\|')
    .split('\n')
    .map((line) => line.trim())
    .join(' ');
}

/** Text that is shown as it is written. */
export function code(text: string): string {
  return text === '' ? '' : `\`${text}\``;
}

/** A page of paragraphs; it says at its end where it comes from. */
export function page(title: string, source: string, ...parts: readonly string[]): string {
  return `${[`# ${title}`, ...parts, `*Generated from ${source} by \`npm run docs\`.*`].join('\n\n')}\n`;
}
