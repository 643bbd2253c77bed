import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { systemClock as clock, systemRandom as random, silentLog } from '../../src/lib/index.ts';
import { freePort } from '../../src/lib/test-free-port.ts';
import { openEtcdStore, prefixRange, type Store } from '../../src/store/index.ts';
import { eventually, hasProgram } from './store-servers.ts';

/** Three etcd members on one computer. */
class EtcdCluster {
  readonly #directory = mkdtempSync(path.join(tmpdir(), 'flotilla-etcd-cluster-'));
  readonly #commands: string[][] = [];
  readonly members: ChildProcess[] = [];
  readonly endpoints: string[] = [];

  async start(): Promise<void> {
    const peers: string[] = [];
    for (let i = 0; i < 3; i++) {
      this.endpoints.push(`http://127.0.0.1:${await freePort()}`);
      peers.push(`http://127.0.0.1:${await freePort()}`);
    }
    const initial = peers.map((peer, i) => `m${i}=${peer}`).join(',');
    peers.forEach((peer, i) => {
      const endpoint = this.endpoints[i]!;
      const client = ['--listen-client-urls', endpoint, '--advertise-client-urls', endpoint];
      const args = ['--listen-peer-urls', peer, '--initial-advertise-peer-urls', peer, '--initial-cluster', initial];
      this.#commands.push(['--name', `m${i}`, '--data-dir', path.join(this.#directory, `m${i}`), ...client, ...args]);
      this.revive(i);
    });
  }

  revive(i: number): void {
    this.members[i] = spawn('etcd', [...this.#commands[i]!, '--log-level', 'error'], { stdio: 'ignore' });
  }

  async kill(i: number): Promise<void> {
    const exited = once(this.members[i]!, 'exit');
    this.members[i]!.kill('SIGKILL');
    await exited;
  }

  async stop(): Promise<void> {
    await Promise.all(this.members.map((_, i) => this.kill(i)));
    rmSync(this.#directory, { recursive: true, force: true });
  }
}

const skip = hasProgram('etcd') ? false : 'etcd is not installed (apt install etcd-server)';

describe('Client of an etcd cluster', { skip }, () => {
  const cluster = new EtcdCluster();
  let store: Store;
  before(async () => {
    await cluster.start();
    const { endpoints } = cluster;
    store = openEtcdStore({ endpoints, clock, random, log: silentLog, requestTimeoutMs: 1000 });
    await eventually(() => store.revision());
  });
  after(async () => {
    await store?.close();
    await cluster.stop();
  });

  /** Whatever happens to members one by one, a lease is kept and a watch misses nothing. */
  async function survives(harm: (member: number) => Promise<void>, heal: (member: number) => void): Promise<void> {
    const lease = await store.lease(15_000);
    const prefix = `${random.hex(4)}/`;
    const { revision } = await store.commit([], [{ put: `${prefix}leased`, value: '', lease: lease.id }]);
    const seen: string[] = [];
    const written: string[] = [];
    const stopping = new AbortController();
    const watching = (async () => {
      for await (const { events } of store.watch(prefixRange(prefix), revision, stopping.signal))
        for (const event of events) seen.push(event.type === 'put' ? event.entry.key : `lost ${event.key}`);
    })();
    for (let member = 0; member < 3; member++) {
      await harm(member);
      for (let i = 0; i < 5; i++) {
        const key = `${prefix}${member}/${i}`;
        // Of unknown outcome or not, the next attempt settles it.
        await eventually(() => store.commit([{ key, createRevision: 0 }], [{ put: key, value: '' }]));
        written.push(key);
      }
      await eventually(() => assert.deepEqual(seen, written));
      heal(member);
      await eventually(async () => assert.ok((await store.revision()) > revision));
    }
    assert.equal(lease.lost.aborted, false);
    assert.equal((await store.get(`${prefix}leased`))?.lease, lease.id);
    stopping.abort();
    await watching;
    await lease.revoke();
  }

  test('survives the death of any one member', () =>
    survives(
      (member) => cluster.kill(member),
      (member) => cluster.revive(member),
    ));

  test('without a majority nothing is written and leases end; with one again all goes on, and no event is missed', async () => {
    const lease = await store.lease(3000);
    const prefix = `${random.hex(4)}/`;
    const seen: string[] = [];
    const stopping = new AbortController();
    const { revision } = await store.commit([], [{ put: `${prefix}before`, value: '' }]);
    const watching = (async () => {
      for await (const { events } of store.watch(prefixRange(prefix), revision, stopping.signal))
        for (const event of events) seen.push(event.type === 'put' ? event.entry.key : `lost ${event.key}`);
    })();
    await cluster.kill(0);
    await cluster.kill(1);
    const put = (key: string) => store.commit([{ key, createRevision: 0 }], [{ put: key, value: '' }]);
    await assert.rejects(put(`${prefix}during`), { name: 'FlotillaError' });
    await eventually(() => assert.ok(lease.lost.aborted, 'the lease counts as lost'));
    cluster.revive(0);
    cluster.revive(1);
    const after = Array.from({ length: 5 }, (_, i) => `${prefix}z${i}`);
    for (const key of after) await eventually(() => put(key));
    await eventually(() => assert.ok(seen.includes(after.at(-1)!)));
    // What was refused may have been written all the same: a majority that comes back can still carry it out.
    assert.deepEqual(
      seen.filter((key) => key !== `${prefix}during`),
      after,
    );
    assert.equal(new Set(seen).size, seen.length);
    stopping.abort();
    await watching;
  });

  test('survives that any one member falls silent', () =>
    survives(
      async (member) => {
        cluster.members[member]!.kill('SIGSTOP');
      },
      (member) => cluster.members[member]!.kill('SIGCONT'),
    ));
});
