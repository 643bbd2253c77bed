import { FlotillaError, rowOf, shownCell } from '../lib/index.ts';
import type { Context } from './context.ts';
import { nearest } from './nearest.ts';
import { fitTable, formatTable } from './table.ts';

/** The columns of a list: each formats its cell of a row. */
export type Columns<Row> = Readonly<Record<string, (row: Row, full: boolean) => string>>;

/** Returns the checked columns of --fields; without it, all of `wide` for -o wide. */
export function chosenFields<Row>(context: Context, columns: Columns<Row>, wide?: readonly string[]): string[] {
  if (wide && !context.flags.has('fields') && context.flags.text('output') === 'wide') return [...wide];
  const text = context.flags.text('fields');
  if (context.flags.has('fields') && context.flags.text('output') === 'json') {
    throw new FlotillaError(
      'usage',
      '--fields chooses columns of a table, and -o json prints all there is: give one of them',
    );
  }
  if (text === '') throw new FlotillaError('invalid', 'Must define output format');
  const fields = text.split(',').map((field) => field.trim());
  for (const field of fields) {
    if (Object.hasOwn(columns, field)) continue;
    const near = nearest(field, Object.keys(columns));
    const meant = near ? `; did you mean ${near}?` : '';
    const all = `valid fields are ${Object.keys(columns).join(',')}`;
    throw new FlotillaError('invalid', `Invalid key in output format: ${JSON.stringify(field)} (${all}${meant})`);
  }
  return fields;
}

/** Prints the rows, with headings unless --no-legend; states are coloured on a terminal. */
export function printList<Row>(
  context: Context,
  rows: readonly Row[],
  options: { readonly columns: Columns<Row>; readonly fields: readonly string[] },
): void {
  const full = context.flags.bool('full');
  const paint = painter(context, options.fields);
  const columns = options.fields.map((field) => options.columns[field]!);
  const cells = rows.map((row) => columns.map((column) => column(row, full)));
  printRows(
    context,
    options.fields.map((field) => field.toUpperCase()),
    cells,
    paint,
  );
}

/** Prints cells under their headings, or without headings for --no-legend. */
export function printRows(
  context: Context,
  headings: readonly string[],
  cells: readonly (readonly string[])[],
  paint?: (cell: string, column: number) => string,
): void {
  if (!context.flags.bool('no-legend')) {
    context.io.raw.out(formatTable(fitted(context, [headings, ...cells]), paint));
    return;
  }
  // For scripts: one tab between cells whatever their width, so that `cut -f2` is the second column of every line.
  const aligned = context.io.outIsTerminal();
  const text = () => cells.map((row) => `${row.map(shownCell).join('\t')}\n`).join('');
  context.io.raw.out(aligned ? formatTable(fitted(context, cells), paint) : text());
}

const USUAL_COLUMNS = 80;

/** Shortens lines to the terminal's width unless --full; output to a program or file is always complete. */
function fitted(context: Context, rows: readonly (readonly string[])[]): readonly (readonly string[])[] {
  const shown = rows.map((row) => row.map(shownCell));
  const { flags, io } = context;
  const whole =
    (flags.knows('full') && flags.bool('full')) || (flags.knows('output') && flags.text('output') === 'wide');
  return whole || !io.outIsTerminal() ? rows : fitTable(shown, Math.max(io.columns?.() ?? 0, USUAL_COLUMNS));
}

const COLOURS: Readonly<Record<string, number>> = {
  active: 32,
  running: 32,
  launched: 32,
  activating: 33,
  deactivating: 33,
  reloading: 33,
  'auto-restart': 33,
  failed: 31,
  'not-found': 31,
};

const COLOURED_FIELDS = new Set(['active', 'sub', 'load', 'dstate', 'state']);

function painter(context: Context, fields: readonly string[]): ((cell: string, column: number) => string) | undefined {
  if (!hasColours(context)) return undefined;
  return (cell, column) => {
    const colour = COLOURED_FIELDS.has(fields[column]!) ? rowOf(COLOURS, cell) : undefined;
    return colour === undefined ? cell : `\x1b[${colour}m${cell}\x1b[0m`;
  };
}

function hasColours(context: Context): boolean {
  const { env } = context.io;
  return context.io.outIsTerminal() && !env['NO_COLOR'] && env['TERM'] !== 'dumb';
}
