/** What moves a terminal's cursor, changes its settings or the order of its letters; C1 controls and U+2028 too. */
const HIDDEN = /[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]/g;

/**
 * Text from outside as it may be shown on a terminal: every control character but tab and newline is written as
 * `\u001b`, which is the same character in JSON. Whatever fleetctl prints passes through here once, in `shownIo`.
 */
export function shownText(text: string): string {
  return text.replace(HIDDEN, escaped);
}

/** Text in a cell of a table, which tabs and newlines would end. */
export function shownCell(text: string): string {
  return shownText(text).replace(/[\t\n]/g, escaped);
}

function escaped(char: string): string {
  return `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`;
}
