import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseUnitFile } from '../../unitfile/index.ts';
import { startOrder } from './start-order.ts';

const CASES: readonly (readonly [string, Readonly<Record<string, string>>, readonly string[]])[] = [
  ['as they come', { 'b.service': '', 'a.service': '' }, ['b.service', 'a.service']],
  ['After', { 'a.service': '[Unit]\nAfter=x.service b.service', 'b.service': '' }, ['b.service', 'a.service']],
  ['Before', { 'a.service': '', 'b.service': '[Unit]\nBefore=a.service' }, ['b.service', 'a.service']],
  ['specifiers', { 'a@1.service': '[Unit]\nAfter=b@%i.service', 'b@1.service': '' }, ['b@1.service', 'a@1.service']],
  ['another section', { 'a.service': '[X]\nAfter=b.service', 'b.service': '' }, ['a.service', 'b.service']],
  ['sockets', { 'a.service': '', 'a.socket': '[Socket]\nListenStream=1' }, ['a.socket', 'a.service']],
  ['what a timer names', { 'a.service': '', 'b.timer': '[Timer]\nUnit=a.service' }, ['b.timer', 'a.service']],
  [
    'over several steps',
    { 'a.service': '[Unit]\nAfter=b.service', 'b.service': '[Unit]\nAfter=c.service', 'c.service': '' },
    ['c.service', 'b.service', 'a.service'],
  ],
  [
    'a list of more than 32,768 characters with its specifiers expanded is left to systemd',
    { 'a.service': `[Unit]\nAfter=b.service ${'%n '.repeat(4000)}`, 'b.service': '' },
    ['a.service', 'b.service'],
  ],
  [
    'circles',
    { 'a.service': '[Unit]\nAfter=b.service', 'b.service': '[Unit]\nAfter=a.service' },
    ['b.service', 'a.service'],
  ],
];

for (const [what, texts, expected] of CASES)
  test(`units are started in order: ${what}`, () => {
    const units = new Map(Object.entries(texts).map(([name, text]) => [name, parseUnitFile(text).options]));
    assert.deepEqual(startOrder(units), expected);
  });

test('long chains are ordered as well', () => {
  const length = 20_000;
  const optionsOf = (index: number) => [{ section: 'Unit', name: 'After', value: `${index + 1}.service` }];
  const units = new Map(Array.from({ length }, (_, index) => [`${index}.service`, optionsOf(index)]));
  assert.equal(startOrder(units)[0], `${length - 1}.service`);
});
