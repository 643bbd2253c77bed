import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { type Lease, openCluster } from '../cluster/index.ts';
import { systemClock as clock, systemRandom as random, silentLog } from '../lib/index.ts';
import { until } from '../lib/test-until.ts';
import type { UnitRuntime } from '../runtime/index.ts';
import { startEmbeddedStore } from '../store/embedded/index.ts';
import { openEtcdStore } from '../store/index.ts';
import { Agent } from './agent.ts';
import type { Presence } from './presence.ts';

const TTL_MS = 6000;

test('an agent that is cut off does not settle its presence, since it has not looked for second copies', async (t) => {
  const directory = mkdtempSync(path.join(tmpdir(), 'flotilla-agent-'));
  const server = await startEmbeddedStore({ directory, host: '127.0.0.1', port: 0, clock, random, log: silentLog });
  const store = openEtcdStore({ endpoints: [server.endpoint], clock, random, log: silentLog });
  const leaving = new AbortController();
  const { signal } = leaving;
  let leftMs = TTL_MS / 4;
  let turns = 0;
  const settled: Lease[] = [];
  const lease = { id: '7', deadline: () => clock.monotonic() + leftMs, lost: signal } as unknown as Lease;
  const presence = {
    lease,
    inheritedLeaseId: '6',
    announcement: undefined,
    settle: (under: Lease) => settled.push(under),
    onChange: () => () => {},
  } as unknown as Presence;
  const runtime = {
    async units() {
      turns++;
      return [];
    },
    async *states() {
      await clock.sleep(60_000, signal).catch(() => {});
    },
  } as unknown as UnitRuntime;
  const agent = new Agent({
    cluster: openCluster({ store, prefix: '/agent/', clock, random, log: silentLog }),
    runtime,
    presence,
    machine: 'm1',
    ttlMs: TTL_MS,
    reconcileIntervalMs: 50,
    promises: { load: () => undefined, save() {} },
    clock,
    random,
    log: silentLog,
    signal,
  });
  t.after(async () => {
    leaving.abort();
    await agent.done;
    await store.close();
    await server.close();
    rmSync(directory, { recursive: true });
  });
  await until('one turn is over and another has begun', () => turns >= 2);
  assert.equal(settled.length, 0);
  leftMs = TTL_MS;
  await until('it settles once the store can be reached again', () => settled.includes(lease));
});
