/** Order of two texts by their UTF-16 code units, whatever the locale; for sorting. */
export function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
