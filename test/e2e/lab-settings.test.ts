import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { test } from 'node:test';
import { freePort } from '../../src/lib/test-free-port.ts';
import { until } from '../../src/lib/test-until.ts';
import { freeBase, LabFixture } from './lab-fixture.ts';

async function withLab(play: (lab: LabFixture) => Promise<void>): Promise<void> {
  const lab = new LabFixture();
  try {
    await play(lab);
  } finally {
    await lab.dispose();
  }
}

/** Keeps the port at 127.0.1.1 from everybody else until it is closed. */
async function take(port: number): Promise<() => Promise<void>> {
  const server = net.createServer().listen(port, '127.0.1.1');
  await once(server, 'listening');
  return async () => {
    server.close();
    await once(server, 'close');
  };
}

test('a lab keeps the port it had while its own is taken, all machines on one, and goes back when it can', () =>
  withLab(async (lab) => {
    const wanted = await freePort();
    const release = await take(wanted);
    const first = await lab.ok('lab', 'up', '--detach', '--machines', '2', '--port', String(wanted));
    const [, other] = /^Port \d+ cannot be had on this computer; the API answers on (\d+) instead\.$/m.exec(first)!;
    const ports = async () => (await lab.machines()).map(({ endpoint }) => new URL(endpoint).port);
    assert.deepEqual(await ports(), [other, other]);
    await lab.ok('lab', 'down');
    const again = await lab.ok('lab', 'up', '--detach');
    assert.match(
      again,
      new RegExp(`^Port ${wanted} cannot be had on this computer; the API answers on ${other} `, 'm'),
    );
    assert.deepEqual(await ports(), [other, other]);

    await lab.ok('lab', 'kill', '1');
    await release();
    assert.match(await lab.ok('lab', 'revive', '1'), new RegExp(`the API answers on ${other} instead`));
    assert.deepEqual(await ports(), [other, other], 'both on the same');

    await lab.ok('lab', 'outage');
    const restored = await lab.ok('lab', 'restore', '1');
    assert.match(restored, new RegExp(`^The API answers on ${wanted} now, and no more on ${other}\\.$`, 'm'));
    await lab.ok('lab', 'restore');
    assert.deepEqual(await ports(), [String(wanted), String(wanted)]);
  }));

test('--port-base moves everything', () =>
  withLab(async (lab) => {
    const base = await freeBase();
    const out = await lab.ok('lab', 'up', '--detach', '--machines', '1', '--port-base', String(base));
    assert.doesNotMatch(out, /no more on/, 'a new lab has been nowhere before');
    const { machines, store } = JSON.parse(await lab.ok('lab', 'status', '-o', 'json'));
    const [{ endpoint, consulPort, dnsPort, routerPort, routerTlsPort }] = machines;
    assert.deepEqual(
      [new URL(endpoint).port, new URL(store.endpoint).port, consulPort, dnsPort, routerPort, routerTlsPort].map(
        Number,
      ),
      Array.from({ length: 6 }, (_, i) => base + i),
    );
  }));

test('metadata and settings are given once and kept over a restore', () =>
  withLab(async (lab) => {
    const dns = await freePort();
    const out = await lab.up(
      ...['--machines', '2', '--metadata', 'region=eu,disk=ssd', '--machine', '2:region=us'],
      ...['--set', `1:dns_listen=127.0.1.1:${dns}`, '--set', 'drain_time=0s'],
    );
    assert.match(out, /2 machines/);
    const metadata = () => lab.ok('list-machines', '--no-legend', '--fields', 'ip,metadata');
    const sorted = async () => (await metadata()).trimEnd().split('\n').sort();
    const expected = ['127.0.1.1\tdisk=ssd,region=eu', '127.0.1.2\tdisk=ssd,region=us'];
    assert.deepEqual(await sorted(), expected);
    for (const [flag, value] of [
      ['--metadata', 'region=asia'],
      ['--machine', '2:region=asia'],
      ['--set', 'drain_time=1s'],
    ]) {
      const busy = await lab.run('lab', 'up', '--detach', flag!, value!);
      assert.equal(busy.err, `the lab runs, and ${flag} can change only at its start: lab down, then lab up\n`);
    }
    await lab.ok('lab', 'outage');
    await lab.ok('lab', 'restore');
    assert.deepEqual(await sorted(), expected);
    const [first, second] = await lab.machines();
    assert.equal(first!.dnsPort, undefined);
    assert.ok(second!.dnsPort > 0);
    const answers = net.connect(dns, '127.0.1.1');
    await once(answers, 'connect');
    answers.destroy();
  }));

test('a machine of another lab, whose store has gone, does not join the lab that takes its place', () =>
  withLab(async (left) => {
    const base = await freeBase();
    await left.ok('lab', 'up', '--detach', '--machines', '1', '--port-base', String(base));
    const { store } = JSON.parse(await left.ok('lab', 'status', '-o', 'json'));
    // Its keeper, which would start it again, is its parent.
    const keeper = /^PPid:\s+(\d+)$/m.exec(readFileSync(`/proc/${store.pid}/status`, 'utf8'))![1];
    for (const pid of [Number(keeper), store.pid]) process.kill(pid, 'SIGKILL');
    const [stranger] = await left.machines();
    await withLab(async (lab) => {
      const out = await lab.ok('lab', 'up', '--detach', '--machines', '1', '--port-base', String(base));
      assert.doesNotMatch(out, /no more on/, 'a new lab has been nowhere before');
      const { store: other } = JSON.parse(await lab.ok('lab', 'status', '-o', 'json'));
      assert.equal(other.endpoint, store.endpoint);
      const log = () => readFileSync(path.join(left.directory, 'm1', 'fleetd.log'), 'utf8');
      await until('it has found the other store', () => log().split('Joined the cluster').length > 2);
      const [own] = await lab.machines();
      assert.equal(await lab.ok('list-machines', '--full', '--no-legend', '--fields', 'machine'), `${own!.id}\n`);
      assert.notEqual(own!.id, stranger!.id);
    });
  }));
