const TAB_WIDTH = 8;

/**
 * Rows as text with columns aligned by tabs, exactly as Go's text/tabwriter does it with tab width 8 and padding 1:
 * one or more tabs between cells, none behind the last. `paint` may wrap a cell in colours; it does not count as width.
 */
export function formatTable(
  rows: readonly (readonly string[])[],
  paint: (cell: string, column: number, row: number) => string = (cell) => cell,
): string {
  const stops: number[] = [];
  for (const row of rows) {
    for (let column = 0; column < row.length - 1; column++) {
      const needed = Math.ceil((widthOf(row[column]!) + 1) / TAB_WIDTH);
      if (needed > (stops[column] ?? 0)) stops[column] = needed;
    }
  }
  let text = '';
  rows.forEach((row, number) => {
    row.forEach((cell, column) => {
      text += paint(cell, column, number);
      if (column === row.length - 1) return;
      text += '\t'.repeat(stops[column]! - Math.floor(widthOf(cell) / TAB_WIDTH));
    });
    text += '\n';
  });
  return text;
}

function widthOf(cell: string): number {
  // Only characters outside the basic plane take two units of a string.
  return /[\ud800-\udbff]/.test(cell) ? [...cell].length : cell.length;
}
