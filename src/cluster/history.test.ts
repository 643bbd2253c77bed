import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { systemClock as clock, silentLog as log, systemRandom as random } from '../lib/index.ts';
import { NO_NEEDS } from '../model/index.ts';
import { startEmbeddedStore } from '../store/embedded/index.ts';
import { openEtcdStore } from '../store/index.ts';
import { openCluster } from './cluster.ts';

test('history ends at the last compaction when more of it is asked for', async () => {
  const directory = mkdtempSync(path.join(tmpdir(), 'flotilla-history-'));
  const server = await startEmbeddedStore({
    directory,
    host: '127.0.0.1',
    port: 0,
    clock,
    random,
    log,
    keepChanges: 40,
  });
  const store = openEtcdStore({ endpoints: [server.endpoint], clock, random, log });
  const cluster = openCluster({ store, prefix: '/history/', clock, random, log });
  const closing = new AbortController();
  const unit = { name: 'a.service', hash: 'h', desired: 'launched', needs: NO_NEEDS } as const;
  assert.ok(await cluster.putUnit(unit, 'text', undefined));
  for (let round = 0; round < 60; round++)
    assert.ok(await cluster.setDesired('a.service', round % 2 === 0 ? 'loaded' : 'launched'));
  const { moments, until, compactedAt } = await cluster.history(1_000_000, closing.signal);
  const revision = await store.revision();
  closing.abort();
  await store.close();
  await server.close();
  rmSync(directory, { recursive: true });
  const told = moments.flatMap(({ changes }) => changes).length;
  assert.ok(told >= 30, `only ${told} of the last 40 changes`);
  assert.deepEqual([moments.at(-1)?.revision, until], [revision, revision]);
  assert.ok(compactedAt !== undefined && compactedAt < moments[0]!.revision, 'the history says where it ends');
});
