/**
 * Characters that move a terminal's cursor, change its settings or the order of its letters; C1 controls and U+2028
 * too.
 */
const HIDDEN = /[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]/g;

/**
 * Escapes untrusted text for a terminal: every control character but tab and newline becomes `\u001b`-style text, which
 * JSON reads as the same character. All output of fleetctl passes through here once, in `shownIo`.
 */
export function shownText(text: string): string {
  return text.replace(HIDDEN, escaped);
}

/** Escapes text for a cell of a table, including tabs and newlines, which would end the cell. */
export function shownCell(text: string): string {
  return shownText(text).replace(/[\t\n]/g, escaped);
}

function escaped(char: string): string {
  return `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`;
}
