import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { openCluster } from '../cluster/index.ts';
import { systemClock as clock, createLog, systemRandom as random, silentLog } from '../lib/index.ts';
import { until } from '../lib/test-until.ts';
import { startEmbeddedStore } from '../store/embedded/index.ts';
import { openEtcdStore, type Store } from '../store/index.ts';
import { type LeaseMemory, Presence } from './presence.ts';

const directory = mkdtempSync(path.join(tmpdir(), 'flotilla-presence-'));
let server: Awaited<ReturnType<typeof startEmbeddedStore>>;
let store: Store;

before(async () => {
  server = await startEmbeddedStore({ directory, host: '127.0.0.1', port: 0, clock, random, log: silentLog });
  store = openEtcdStore({ endpoints: [server.endpoint], clock, random, log: silentLog });
});
after(async () => {
  await store.close();
  await server.close();
  rmSync(directory, { recursive: true });
});

/** Returns a machine in a cluster of its own. */
function open(name: string, memory: LeaseMemory) {
  const lines: string[] = [];
  const leaving = new AbortController();
  const resources = { cores: 1, memoryBytes: 0 };
  const presence = new Presence({
    cluster: openCluster({ store, prefix: `/${name}/`, clock, random, log: silentLog }),
    machine: () => ({ id: 'm1', address: '10.0.0.1', metadata: {}, resources, version: '1' }),
    token: 'token',
    ttlMs: 5000,
    memory,
    clock,
    random,
    log: createLog((line) => lines.push(line)),
    signal: leaving.signal,
  });
  const leave = async () => {
    leaving.abort();
    await presence.leave();
  };
  return { presence, lines, leave, end: () => leaving.abort() };
}

test('a machine whose disk is full joins, and logs that its lease is not remembered', async () => {
  const { presence, lines, leave } = open('full', {
    load: () => undefined,
    save() {
      throw new Error('ENOSPC: no space left on device');
    },
  });
  await until('it is present', () => presence.state === 'present');
  assert.ok(presence.announcement);
  assert.match(lines.join('\n'), /no space left on device/);
  await leave();
});

test('under a new lease nothing is offered until the agent has settled, or has had time to', async () => {
  let remembered: string | undefined;
  const memory: LeaseMemory = {
    load: () => remembered,
    save(id) {
      remembered = id;
    },
  };
  const { presence, end } = open('settled', memory);
  await until('it is present', () => presence.announcement !== undefined);
  const { lease } = presence.announcement!;
  let told = 0;
  presence.onChange(() => told++);
  if (presence.settled === undefined) presence.settle(lease);
  assert.equal(presence.settled, presence.announcement);
  presence.settle(lease);
  assert.ok(told <= 1, 'once for each lease');
  await lease.revoke();
  await until(
    'it is present under another lease',
    () => presence.lease !== undefined && presence.lease.id !== lease.id,
  );
  await until('an agent that does not come to it is not waited for', () => presence.settled !== undefined);
  presence.settle(lease);
  assert.ok(presence.settled, 'a turn of the agent that began under the lease before changes nothing');
  end();
  const next = open('settled', memory);
  await until('the next fleetd is present', () => next.presence.announcement !== undefined);
  assert.equal(next.presence.lease?.id, presence.lease?.id);
  assert.equal(next.presence.settled, next.presence.announcement, 'the machine stays present over the restart');
  await next.leave();
});
