import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { fitTable, formatTable } from './table.ts';

test('columns are aligned by tabs as text/tabwriter does it', () => {
  const table = formatTable([
    ['MACHINE', 'IP', 'METADATA'],
    ['0b9fd6f8...', '172.17.8.104', '-'],
    ['128a2e32...', '172.17.8.103', 'az=b'],
  ]);
  assert.equal(table, 'MACHINE\t\tIP\t\tMETADATA\n0b9fd6f8...\t172.17.8.104\t-\n128a2e32...\t172.17.8.103\taz=b\n');
});

test('a cell as wide as its column is followed by one tab, and none follows the last cell', () => {
  assert.equal(
    formatTable([
      ['1234567', 'x'],
      ['1', 'y'],
    ]),
    '1234567\tx\n1\ty\n',
  );
  assert.equal(
    formatTable([
      ['12345678', 'x'],
      ['1', 'y'],
    ]),
    '12345678\tx\n1\t\ty\n',
  );
  assert.equal(formatTable([['one'], ['two']]), 'one\ntwo\n');
  assert.equal(formatTable([['', 'x']]), '\tx\n');
});

test('colours and wide characters do not shift the columns', () => {
  const paint = (cell: string) => `\x1b[32m${cell}\x1b[0m`;
  assert.equal(formatTable([['abc', 'd']], paint), '\x1b[32mabc\x1b[0m\t\x1b[32md\x1b[0m\n');
  assert.equal(
    formatTable([
      ['🚢🚢🚢🚢', 'x'],
      ['12345678', 'y'],
    ]),
    '🚢🚢🚢🚢\t\tx\n12345678\ty\n',
  );
});

test('splitting at tabs gives the cells back, and every column starts at one stop', () => {
  const cell = fc.stringMatching(/^[a-z0-9.-]{0,20}$/);
  const rows = fc
    .integer({ min: 1, max: 5 })
    .chain((width) => fc.array(fc.array(cell, { minLength: width, maxLength: width }), { minLength: 1, maxLength: 8 }));
  fc.assert(
    fc.property(rows, (cells) => {
      const lines = formatTable(cells).split('\n').slice(0, -1);
      assert.equal(lines.length, cells.length);
      const starts = lines.map(startsOfCells);
      cells.forEach((row, i) => {
        assert.deepEqual(lines[i]!.split(/\t+/).filter(Boolean), row.filter(Boolean));
        assert.equal(starts[i]!.at(-1), starts[0]!.at(-1));
      });
    }),
  );
});

/** Returns the screen columns behind each run of tabs. */
function startsOfCells(line: string): number[] {
  let column = 0;
  const starts = [0];
  for (const piece of line.split(/(\t+)/)) {
    column = piece.startsWith('\t') ? (Math.floor(column / 8) + piece.length) * 8 : column + piece.length;
    if (piece.startsWith('\t')) starts.push(column);
  }
  return starts;
}

/** Counts columns as a terminal does, with tab stops at every eighth. */
function widest(text: string): number {
  const widths = text
    .split('\n')
    .map((line) =>
      line.split('\t').reduce((at, cell, i) => (i === 0 ? 0 : Math.floor(at / 8) * 8 + 8) + [...cell].length, 0),
    );
  return Math.max(...widths);
}

test('long cells are shortened in the middle, so that lines fit the terminal', () => {
  const rows = [
    ['UNIT', 'MACHINE', 'ACTIVE', 'SUB'],
    [
      'a-service-with-a-very-long-name-indeed@8080.service',
      '85c0c595.../2001:db8:85a3::8a2e:370:7334',
      'active',
      'running',
    ],
    ['b.service', '85c0c595.../10.0.0.1', 'failed', 'failed'],
  ];
  const fitted = fitTable(rows, 80);
  assert.ok(widest(formatTable(rows)) > 80);
  assert.ok(widest(formatTable(fitted)) <= 80, formatTable(fitted));
  assert.match(fitted[1]![0]!, /^a-serv.*….*service$/);
  assert.deepEqual(fitted[2], rows[2]);
  assert.deepEqual(fitTable(rows, 200), rows);
});

test('a fitted table fits, whatever it holds, unless it has too many columns', () => {
  const cell = fc.string({ maxLength: 120, unit: fc.constantFrom('a', 'b', 'é', '🙂') });
  const table = fc
    .integer({ min: 1, max: 5 })
    .chain((columns) =>
      fc.array(fc.array(cell, { minLength: columns, maxLength: columns }), { minLength: 1, maxLength: 6 }),
    );
  fc.assert(fc.property(table, (rows) => widest(formatTable(fitTable(rows, 80))) <= 80));
});
