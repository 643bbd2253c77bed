import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { systemClock as clock, type Log, systemRandom as random, silentLog } from '../../src/lib/index.ts';
import { until } from '../../src/lib/test-until.ts';
import { LocalServices, runProbe } from '../../src/services/index.ts';
import { machine, registration } from '../../src/services/test-services.ts';

const KEEP = { keepChecks: true };
const TTL = { id: 'c', name: 'c', notes: '', status: 'critical', probe: { type: 'ttl', ttlMs: 60_000 } } as const;
const skip = process.getuid!() === 0 ? false : 'mounting a small file system takes root';

/** Services kept on a file system of 64 KB, with a way to fill it. */
function onSmallDisk(t: TestContext, log: Log = silentLog) {
  const directory = mkdtempSync(path.join(tmpdir(), 'flotilla-services-'));
  assert.equal(spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', directory]).status, 0);
  const stopping = new AbortController();
  t.after(() => {
    stopping.abort();
    assert.equal(spawnSync('umount', ['-l', directory]).status, 0);
    rmSync(directory, { recursive: true });
  });
  const file = path.join(directory, 'services.json');
  const open = () =>
    new LocalServices({
      machine: () => machine('m1'),
      sources: [],
      file,
      unitOf: () => undefined,
      unitContainersOnly: false,
      drainMs: 0,
      scriptChecks: { api: false, container: false },
      ...{ probe: runProbe, clock, random, log, signal: stopping.signal },
    });
  const filling = path.join(directory, 'filling');
  const fill = () => assert.throws(() => writeFileSync(filling, Buffer.alloc(1 << 20)), { code: 'ENOSPC' });
  return { open, file, fill, free: () => rmSync(filling) };
}

test('a change that a full disk does not take is no change, and does not come with the next one', {
  skip,
}, async (t) => {
  const { open, fill, free } = onSmallDisk(t);
  const local = open();
  await local.register(registration('kept', { checks: [TTL] }), KEEP);
  fill();
  const refused =
    /cannot keep the services in .*services\.json: no space left on device; nothing was changed, try again/;
  const failed = await Promise.allSettled([
    local.register(registration('new'), KEEP),
    local.register(registration('kept', { port: 81 }), KEEP),
    local.registerCheck('kept', { ...TTL, id: 'added' }),
    local.setMaintenance('', 'repairs'),
    local.deregisterCheck('c'),
    local.deregister('kept'),
  ]);
  for (const outcome of failed) assert.match(outcome.status === 'rejected' ? String(outcome.reason) : 'taken', refused);
  const asItWas = (services: LocalServices) => {
    assert.deepEqual(
      [...services.instances().keys()].filter((id) => id !== 'next'),
      ['kept'],
    );
    assert.deepEqual(
      services
        .instances()
        .get('kept')!
        .checks.map(({ id }) => id),
      ['c'],
    );
    assert.equal(services.instances().get('kept')!.port, 80);
    assert.equal(services.nodeChecks().size, 0);
  };
  asItWas(local);
  assert.equal(local.report('c', 'passing', ''), true, 'its check runs on');
  free();
  await local.register(registration('next'), KEEP);
  asItWas(local);
  const again = open();
  assert.ok(again.instances().has('next'));
  asItWas(again);
});

test('changes asked for in one breath are made in that order', { skip }, async (t) => {
  const { open } = onSmallDisk(t);
  const local = open();
  const found = await Promise.all([
    local.setMaintenance('a', 'too early'),
    local.register(registration('a'), KEEP),
    local.registerCheck('a', TTL),
    local.deregister('a'),
    local.registerCheck('a', TTL),
  ]);
  assert.deepEqual(found, [false, undefined, true, true, false]);
  assert.equal(local.instances().size, 0);
});

test('what is critical for too long on a full disk stays out, is told once, and is forgotten with room', {
  skip,
}, async (t) => {
  const warnings: string[] = [];
  const log = { ...silentLog, warn: (text: string) => void warnings.push(text) };
  const { open, fill, free, file } = onSmallDisk(t, log);
  const local = open();
  const probe = { type: 'tcp', host: '127.0.0.1', port: 1, intervalMs: 20, timeoutMs: 1000 } as const;
  const dead = { ...TTL, probe, deregisterAfterMs: 300 };
  await local.register(registration('dead', { checks: [dead] }), KEEP);
  fill();
  await until('it is told', () => warnings.length > 0);
  assert.ok(!local.instances().has('dead'));
  assert.match(readFileSync(file, 'utf8'), /"dead"/);
  free();
  await until('it is forgotten', () => !readFileSync(file, 'utf8').includes('"dead"'));
  assert.deepEqual(warnings, ['Cannot deregister what is critical for too long, it stays out and is tried again']);
});
