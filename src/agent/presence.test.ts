import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { openCluster } from '../cluster/index.ts';
import { systemClock as clock, createLog, systemRandom as random, silentLog } from '../lib/index.ts';
import { startEmbeddedStore } from '../store/embedded/index.ts';
import { openEtcdStore } from '../store/index.ts';
import { Presence } from './presence.ts';

test('a machine whose disk is full joins all the same, and says that its lease is not remembered', async () => {
  const directory = mkdtempSync(path.join(tmpdir(), 'flotilla-presence-'));
  const server = await startEmbeddedStore({ directory, host: '127.0.0.1', port: 0, clock, random, log: silentLog });
  const store = openEtcdStore({ endpoints: [server.endpoint], clock, random, log: silentLog });
  const cluster = openCluster({ store, prefix: '/presence/', clock, random, log: silentLog });
  const lines: string[] = [];
  const leaving = new AbortController();
  const presence = new Presence({
    cluster,
    machine: () => ({
      id: 'm1',
      address: '10.0.0.1',
      metadata: {},
      resources: { cores: 1, memoryBytes: 0 },
      version: '1',
    }),
    token: 'token',
    ttlMs: 5000,
    memory: {
      load: () => undefined,
      save() {
        throw new Error('ENOSPC: no space left on device');
      },
    },
    clock,
    random,
    log: createLog((line) => lines.push(line)),
    signal: leaving.signal,
  });
  const until = clock.monotonic() + 5000;
  while (presence.state !== 'present' && clock.monotonic() < until) await clock.sleep(10);
  assert.equal(presence.state, 'present');
  assert.ok(presence.announcement);
  assert.match(lines.join('\n'), /no space left on device/);
  leaving.abort();
  await presence.leave();
  await store.close();
  await server.close();
  rmSync(directory, { recursive: true });
});
