import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pointInTime } from './point-in-time.ts';

const NOW = new Date(2026, 10, 28, 14, 30, 15).getTime();
const local = (year: number, month: number, day: number, hours = 0, minutes = 0, seconds = 0) =>
  new Date(year, month, day, hours, minutes, seconds).getTime();

test('times are written as for journalctl', () => {
  const cases: readonly (readonly [string, number])[] = [
    ['now', NOW],
    ['10m', NOW - 600_000],
    ['-10m', NOW - 600_000],
    ['1h30m', NOW - 5_400_000],
    ['2d', NOW - 2 * 86_400_000],
    ['10 min ago', NOW - 600_000],
    ['today', local(2026, 10, 28)],
    ['yesterday', local(2026, 10, 27)],
    ['14:00', local(2026, 10, 28, 14, 0)],
    ['14:00:07', local(2026, 10, 28, 14, 0, 7)],
    ['2026-11-27', local(2026, 10, 27)],
    ['2026-11-27 03:04', local(2026, 10, 27, 3, 4)],
    ['2026-11-27T03:04:05Z', Date.UTC(2026, 10, 27, 3, 4, 5)],
    ['@1700000000', 1_700_000_000_000],
  ];
  for (const [text, expected] of cases) assert.equal(pointInTime('since', text, NOW), expected, text);
});

test('what is no time is refused in a sentence', () => {
  for (const text of [
    '',
    'soon',
    '12',
    '2026-13-01',
    '2026-02-30',
    '5 apples',
    '25:00',
    '14:60',
    '14:00:60',
    '2026-11-28 14:00:60',
  ])
    assert.throws(
      () => pointInTime('since', text, NOW),
      /^FlotillaError: --since ".*" is no time: write 10m \(ago\)/,
      text,
    );
});
