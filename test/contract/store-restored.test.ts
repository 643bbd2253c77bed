import assert from 'node:assert/strict';
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { openCluster } from '../../src/cluster/index.ts';
import { systemClock as clock, silentLog as log, systemRandom as random } from '../../src/lib/index.ts';
import { NO_NEEDS, type Unit } from '../../src/model/index.ts';
import { type EmbeddedStore, startEmbeddedStore } from '../../src/store/embedded/index.ts';
import { openEtcdStore } from '../../src/store/index.ts';
import { eventually } from './store-servers.ts';

const home = mkdtempSync(path.join(tmpdir(), 'flotilla-restored-'));
const directory = path.join(home, 'store');
const backup = path.join(home, 'backup');

const serve = (port: number): Promise<EmbeddedStore> =>
  startEmbeddedStore({ directory, host: '127.0.0.1', port, clock, random, log });

function unit(name: string): Unit {
  return { name, hash: name, desired: 'launched', needs: NO_NEEDS };
}

test('after the store was restored from a backup nobody goes by what it knew later', { timeout: 60_000 }, async (t) => {
  let server = await serve(0);
  const { port, endpoint } = server;
  const store = openEtcdStore({ endpoints: [endpoint], clock, random, log });
  const cluster = openCluster({ store, prefix: '/restored/', clock, random, log });
  const closing = new AbortController();
  t.after(async () => {
    closing.abort();
    await store.close();
    await server.close();
    rmSync(home, { recursive: true });
  });
  assert.ok(await cluster.putUnit(unit('kept.service'), 'text', undefined));
  assert.ok(await cluster.putUnit(unit('brought-back.service'), 'text', undefined));
  const lease = await cluster.lease(60_000);
  await server.close();
  cpSync(directory, backup, { recursive: true });

  server = await serve(port);
  const view = await cluster.engineView(closing.signal);
  assert.ok(await cluster.destroyUnit('brought-back.service'));
  for (const name of ['a', 'b', 'c']) assert.ok(await cluster.putUnit(unit(`${name}.service`), 'text', undefined));
  await view.sync();
  assert.deepEqual([...view.snapshot.units.keys()], ['kept.service', 'a.service', 'b.service', 'c.service']);
  assert.equal(lease.lost.aborted, false);

  await server.close();
  rmSync(directory, { recursive: true });
  cpSync(backup, directory, { recursive: true });
  server = await serve(port);
  await eventually(() => {
    assert.deepEqual([...view.snapshot.units.keys()].sort(), ['brought-back.service', 'kept.service']);
    // What was written under it since the backup is gone: its holder must say everything again.
    assert.equal(lease.lost.aborted, true);
  });
  assert.equal((await view.sync()).revision, await store.revision());
  assert.ok(await cluster.putUnit(unit('new.service'), 'text', undefined));
  assert.ok((await view.sync()).units.has('new.service'));
  const again = await cluster.resumeLease(lease.id);
  assert.equal(again?.lost.aborted, false);
});
