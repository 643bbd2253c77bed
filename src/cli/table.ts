import { shownCell } from '../lib/index.ts';

const TAB_WIDTH = 8;

/**
 * Formats rows with columns aligned by tabs, exactly as Go's text/tabwriter does with tab width 8 and padding 1: one or
 * more tabs between cells, none behind the last. Escapes the cells first. `paint` may wrap a cell in colours, which
 * have no width.
 */
export function formatTable(
  written: readonly (readonly string[])[],
  paint: (cell: string, column: number, row: number) => string = (cell) => cell,
): string {
  const rows = written.map((row) => row.map(shownCell));
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

/** Stands for the part of a cell that is left out. */
const GAP = '…';
const SHORTEST = 8;

/**
 * Shortens the longest cells in the middle, widest columns first, so that `formatTable` makes lines of at most `width`.
 * The first row stays complete when it is the headings. With too many columns lines stay too wide.
 */
export function fitTable(rows: readonly (readonly string[])[], width: number): readonly (readonly string[])[] {
  const limits = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => widthOf(row[column] ?? ''))));
  while (tableWidth(limits) > width) {
    const widest = limits.indexOf(Math.max(...limits));
    if (limits[widest]! <= SHORTEST) break;
    limits[widest]!--;
  }
  return rows.map((row) => row.map((cell, column) => shortened(cell, limits[column]!)));
}

function tableWidth(widths: readonly number[]): number {
  const stops = widths.slice(0, -1).map((width) => Math.ceil((width + 1) / TAB_WIDTH) * TAB_WIDTH);
  return stops.reduce((sum, stop) => sum + stop, widths.at(-1) ?? 0);
}

function shortened(cell: string, limit: number): string {
  if (widthOf(cell) <= limit) return cell;
  const characters = [...cell];
  const head = Math.ceil((limit - 1) / 2);
  return [...characters.slice(0, head), GAP, ...characters.slice(characters.length - (limit - 1 - head))].join('');
}

function widthOf(cell: string): number {
  // Only characters outside the basic plane take two units of a string.
  return /[\ud800-\udbff]/.test(cell) ? [...cell].length : cell.length;
}
