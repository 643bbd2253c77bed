import assert from 'node:assert/strict';
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { systemClock as clock, systemRandom as random, silentLog } from '../../src/lib/index.ts';
import { type EmbeddedStore, startEmbeddedStore } from '../../src/store/embedded/index.ts';
import { prefixRange, type Store, type Write } from '../../src/store/index.ts';
import { startChild, tryStartChild } from './store-child.ts';
import { connectTo } from './store-servers.ts';

let directory: string;
const file = (name: string): string => path.join(directory, name);

beforeEach(() => {
  directory = mkdtempSync(path.join(tmpdir(), 'flotilla-directory-'));
});
afterEach(async () => {
  for (const one of open.splice(0)) await one.close();
  rmSync(directory, { recursive: true, force: true });
});

/** What a test that fails would leave open. */
const open: { close(): Promise<void> }[] = [];

async function start(): Promise<EmbeddedStore> {
  const store = await startEmbeddedStore({ directory, host: '127.0.0.1', port: 0, clock, random, log: silentLog });
  let closed: Promise<void> | undefined;
  const close = () => (closed ??= store.close());
  open.push({ close });
  return { ...store, close };
}

/** A client of that store, closed after the test. */
function connect({ endpoint }: { readonly endpoint: string }): Store {
  const store = connectTo(endpoint);
  open.unshift(store);
  return store;
}

/** Starts a store, commits each of these, and stops it. */
async function filled(commits: readonly (readonly Write[])[]): Promise<void> {
  const embedded = await start();
  const store = connect(embedded);
  for (const writes of commits) await store.commit([], writes);
  await store.close();
  await embedded.close();
}

const refusal = (why: RegExp) => ({ code: 'damaged', message: why });

test('a directory is kept over restarts, with its revisions, leases and history', async () => {
  const first = await start();
  const before = connect(first);
  const lease = await before.lease(3000);
  const { revision } = await before.commit([], [{ put: 'k', value: '1', lease: lease.id }]);
  await before.commit([], [{ put: 'k', value: '2', lease: lease.id }]);
  await before.close();
  await first.close();
  const startedAt = clock.monotonic();
  const second = await start();
  const store = connect(second);
  // It ends two seconds after the lease from before, which has its full time again and no more.
  const later = await store.grantLease(5000);
  assert.equal(await store.revision(), revision + 1);
  assert.equal((await store.get('k'))?.value, '2');
  assert.equal((await store.list(prefixRange('k'), { revision })).entries[0]?.value, '1');
  const events = store.watch(prefixRange('k'), revision - 1, AbortSignal.timeout(20_000))[Symbol.asyncIterator]();
  assert.equal((await events.next()).value.events.length, 2);
  assert.equal((await store.commit([], [{ put: 'later', value: '', lease: later }])).ok, true);
  assert.equal((await events.next()).value.events[0].type, 'delete');
  assert.ok(await store.get('later'));
  const livedMs = clock.monotonic() - startedAt;
  assert.ok(livedMs >= 3000, `after the restart the lease lived ${livedMs} ms of 3000`);
  await store.close();
  await second.close();
});

test('a directory in use is refused, and the process that uses it is named', async () => {
  const child = await startChild(directory);
  await assert.rejects(start(), {
    code: 'conflict',
    message: `the store's directory ${directory} is in use by process ${child.pid}; stop that process first`,
  });
  const other = await tryStartChild(directory);
  assert.ok('stderr' in other && other.stderr.includes(`in use by process ${child.pid}`));
  await child.kill();
  await (await start()).close();
});

test('a lock left behind by a process that is gone is taken over', async () => {
  const { pid } = process;
  for (const lock of [JSON.stringify({ pid, startTime: '1', bootId: 'another boot' }), '']) {
    writeFileSync(file('lock'), lock);
    await (await start()).close();
  }
});

test('a port in use is refused by name', async () => {
  const first = await start();
  const { port } = first;
  const other = path.join(directory, 'other');
  const second = startEmbeddedStore({ directory: other, host: '127.0.0.1', port, clock, random, log: silentLog });
  await assert.rejects(second, { code: 'conflict', message: new RegExp(`cannot listen on 127.0.0.1:${port}`) });
  await first.close();
});

test('a directory of a newer version is refused and left alone', async () => {
  await filled([[{ put: 'k', value: '1' }]]);
  writeFileSync(file('format'), 'flotilla-store 7\n');
  await assert.rejects(
    start(),
    refusal(/newer version \(format 7, .*run that version, or start with another directory/),
  );
  writeFileSync(file('format'), 'flotilla-store 1\n');
  await (await start()).close();
});

test('a directory that is not whole is refused with a sentence that says what to do', async () => {
  const advice = 'restore it from a backup, or start with an empty directory';
  await filled([[{ put: 'k', value: '1' }]]);
  copyFileSync(file('data.mdb'), file('whole'));
  writeFileSync(file('format'), 'what?');
  await assert.rejects(start(), refusal(new RegExp(`file format is garbled; ${advice}`)));
  rmSync(file('format'));
  await assert.rejects(start(), refusal(new RegExp(`no file named format.*; ${advice}`)));
  writeFileSync(file('format'), 'flotilla-store 1\n');
  rmSync(file('data.mdb'));
  await assert.rejects(start(), refusal(new RegExp(`data.mdb is missing; ${advice}`)));
  for (const bytes of [Buffer.alloc(0), Buffer.from('no database'), Buffer.alloc(100_000, 0x55)]) {
    writeFileSync(file('data.mdb'), bytes);
    await assert.rejects(start(), refusal(new RegExp(`data.mdb does not begin as a data file; ${advice}`)));
  }
  copyFileSync(file('whole'), file('data.mdb'));
  await (await start()).close();
});

test('a data file that is cut off anywhere is refused, and no process dies of it', async () => {
  const commits = Array.from({ length: 60 }, (_, i) => [{ put: `k${i}`, value: 'v'.repeat(i * 300) }]);
  await filled(commits);
  const whole = readFileSync(file('data.mdb'));
  for (let bytes = 4096; bytes < whole.length; bytes += Math.ceil(whole.length / 12)) {
    writeFileSync(file('data.mdb'), whole);
    truncateSync(file('data.mdb'), bytes);
    const started = await tryStartChild(directory);
    if ('stderr' in started) {
      assert.equal(started.exitCode, 1, started.stderr);
      assert.match(
        started.stderr,
        /data.mdb (is cut off|is garbled|does not begin as a data file).*; restore it from a backup/,
      );
      assert.equal(statSync(file('data.mdb')).size, bytes);
      continue;
    }
    // Nothing but free pages was cut away.
    const store = connect(started);
    assert.equal((await store.list(prefixRange('k'))).entries.length, commits.length);
    await store.close();
    await started.kill();
  }
});

test('a data file with a garbled page is refused, unless the page is a free one', async () => {
  const commits = Array.from({ length: 40 }, (_, i) => [{ put: `k${i}`, value: 'v'.repeat(i * 100) }]);
  await filled(commits);
  const whole = readFileSync(file('data.mdb'));
  let refused = 0;
  for (let at = 2 * 4096; at < whole.length; at += 4096) {
    const garbled = Buffer.from(whole);
    garbled.fill(random.hex(64), at, at + 4096);
    writeFileSync(file('data.mdb'), garbled);
    const embedded = await start().catch((error: Error) => error);
    if (embedded instanceof Error) {
      assert.match(embedded.message, /data.mdb is garbled at page \d+; restore it from a backup/);
      refused++;
      continue;
    }
    const store = connect(embedded);
    assert.equal((await store.list(prefixRange('k'))).entries.length, commits.length);
    await store.close();
    await embedded.close();
  }
  assert.ok(refused > 10);
});

test('big values put and deleted in one batch do not make the file look cut off', async () => {
  const embedded = await start();
  const store = connect(embedded);
  const big = (key: string) => store.commit([], [{ put: key, value: 'x'.repeat(1_000_000) }]);
  for (let i = 0; i < 5; i++) {
    await Promise.all([big('a'), store.commit([], [{ delete: 'a' }]), big('b'), store.commit([], [{ delete: 'b' }])]);
  }
  await store.close();
  await embedded.close();
  await (await start()).close();
});

test('a creation that was cut short is begun again', async () => {
  writeFileSync(file('creating'), '');
  writeFileSync(file('data.mdb'), 'half');
  await filled([[{ put: 'k', value: '1' }]]);
  const again = await start();
  const store = connect(again);
  assert.equal((await store.get('k'))?.value, '1');
  await store.close();
  await again.close();
});

test("somebody else's directory is left alone", async () => {
  mkdirSync(file('member'));
  await assert.rejects(start(), refusal(/holds member but no file named format/));
});
