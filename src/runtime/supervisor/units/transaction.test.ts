import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readUnit } from '../spec/index.ts';
import { planTransaction } from './transaction.ts';
import { UnitGraph } from './unit-graph.ts';
import type { JobType } from './unit-memory.ts';

const FACTS = { machineId: 'm', bootId: 'b', hostname: 'h', runtimeDirectory: '/run' };

/** Units by name (`.service` is added) with their [Unit] lines. */
function plan(units: Readonly<Record<string, string>>, name: string, type: JobType, active: readonly string[] = []) {
  const graph = new UnitGraph();
  for (const [unit, lines] of Object.entries(units)) {
    const text = `[Unit]\n${lines.replace(/\b([a-z])\b/g, '$1.service')}\n[Service]\nExecStart=/bin/true\n`;
    const spec = readUnit(`${unit}.service`, text, FACTS);
    assert.ok(typeof spec !== 'string', String(spec));
    graph.add(spec);
  }
  const isActive = (unit: string) => (active.includes(unit.replace('.service', '')) ? 'active' : 'inactive');
  const jobs = planTransaction(`${name}.service`, type, { graph, active: isActive });
  return Object.fromEntries([...jobs].map(([unit, job]) => [unit.replace('.service', ''), job]));
}

test('a start takes along what is required and wanted, whoever is absent is passed over', () => {
  const units = {
    a: 'Requires=b\nWants=c\nBindsTo=d\nAfter=e',
    b: 'Requires=f z',
    c: 'Wants=g',
    d: '',
    e: '',
    f: '',
    g: '',
  };
  assert.deepEqual(plan(units, 'a', 'start'), {
    a: 'start',
    b: 'start',
    f: 'start',
    d: 'start',
    c: 'start',
    g: 'start',
  });
});

test('a circle of requirements is no trap', () => {
  assert.deepEqual(plan({ a: 'Requires=b', b: 'Requires=a' }, 'a', 'start'), { a: 'start', b: 'start' });
});

test('a start stops what conflicts, in both directions, and who depends on that', () => {
  const units = { a: 'Conflicts=b', b: '', c: 'Conflicts=a', d: 'Requires=b' };
  assert.deepEqual(plan(units, 'a', 'start'), { a: 'start', b: 'stop', d: 'stop', c: 'stop' });
});

test('who is merely wanted gives way', () => {
  assert.deepEqual(plan({ a: 'Wants=b\nConflicts=b', b: '' }, 'a', 'start'), { a: 'start', b: 'stop' });
  assert.deepEqual(plan({ a: 'Wants=b', b: 'Conflicts=c', c: '' }, 'a', 'start', ['c']), { a: 'start' });
});

test('a start that contradicts itself is refused', () => {
  assert.throws(() => plan({ a: 'Requires=b', b: 'Conflicts=a' }, 'a', 'start'), /conflicts with/);
});

test('a stop takes along whoever cannot be without it', () => {
  const units = { a: '', b: 'Requires=a', c: 'BindsTo=b', d: 'PartOf=a', e: 'Wants=a', f: 'After=a' };
  assert.deepEqual(plan(units, 'a', 'stop'), { a: 'stop', b: 'stop', c: 'stop', d: 'stop' });
});

test('a restart restarts whoever depends on the unit and runs', () => {
  const units = { a: 'Requires=x', x: '', b: 'Requires=a', c: 'PartOf=b', d: 'PartOf=a' };
  assert.deepEqual(plan(units, 'a', 'restart', ['b', 'c']), { a: 'restart', x: 'start', b: 'restart', c: 'restart' });
});
