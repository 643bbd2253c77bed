import assert from 'node:assert/strict';
import fs, { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { silentLog } from '../lib/index.ts';
import { addCheck, removeCheck, ServiceRegistry, setMaintenance } from './service-registry.ts';

const CHECK = { id: 'c', name: 'c', notes: '', status: 'critical', probe: { type: 'ttl', ttlMs: 60_000 } } as const;

function open(t: TestContext) {
  const directory = mkdtempSync(path.join(tmpdir(), 'flotilla-registry-'));
  t.after(() => rmSync(directory, { recursive: true }));
  const file = path.join(directory, 'services.json');
  return { file, registry: new ServiceRegistry(file, silentLog, () => {}) };
}

test('a check that moves from instance to instance leaves nothing behind in the file', async (t) => {
  const { file, registry } = open(t);
  const checks = () => JSON.parse(readFileSync(file, 'utf8')).checks.map(([instance]: [string]) => instance);
  for (const instance of ['a', 'b', 'c']) await registry.change(addCheck(instance, CHECK));
  assert.deepEqual(checks(), ['c']);
  await registry.change(removeCheck('c'));
  assert.deepEqual(checks(), []);
});

test('a change whose file is written is in force even when syncing the directory fails, and the error says so', async (t) => {
  const { file, registry } = open(t);
  const sync = t.mock.method(fs, 'fsyncSync', () => {
    throw Object.assign(new Error('EIO: i/o error, fsync'), { code: 'EIO' });
  });
  syncBuiltinESMExports();
  const message = /^the services in .* were changed, but a loss of power may undo that: .*; try again$/;
  try {
    await assert.rejects(registry.change(setMaintenance('a', 'repairs')), { code: 'unavailable', message });
  } finally {
    sync.mock.restore();
    syncBuiltinESMExports();
  }
  assert.match(readFileSync(file, 'utf8'), /repairs/);
  assert.equal(registry.maintenanceOf('a'), 'repairs');
});
