import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { AGENT_TTL_MS, Fleet, fleetProblem } from './fleet.ts';
import type { Machine } from './machine.ts';
import { hasProgram } from './run.ts';
import { longestGapMs, ticking, ticksOf } from './ticks.ts';

const LEADER = '/_coreos.com/fleet/cluster/leader';
const NUMBERS = [1, 2, 3, 4, 5, 6];
const SLEEPS = '[Service]\nExecStart=/bin/sleep infinity\n';

const problem = hasProgram('strace') ? undefined : 'missing strace: apt-get install strace';

describe('etcd is not what it should be', { skip: fleetProblem() ?? problem ?? false }, () => {
  let fleet: Fleet;
  before(async () => {
    fleet = await Fleet.open({ machines: 3 });
    await fleet.submit('ticks@.service', ticking());
    await fleet.submit('new@.service', SLEEPS);
    await fleet.ok('start', ...NUMBERS.map((number) => `ticks@${number}`));
  });
  after(() => fleet?.[Symbol.asyncDispose]());

  let places: ReadonlyMap<string, readonly [Machine, string]>;
  let sinceMs = 0;
  /** Of every unit, its machine and which start of it this is. */
  const look = async () => {
    const entries = NUMBERS.map(async (number) => {
      const name = `ticks@${number}.service`;
      const [machine] = await fleet.active(name);
      const properties = ['--property=MainPID', '--property=NRestarts', '--property=InvocationID'];
      return [name, [machine, await machine.ok('systemctl', 'show', ...properties, name)]] as const;
    });
    return new Map(await Promise.all(entries));
  };
  beforeEach(async () => {
    places = await look();
    sinceMs = Date.now();
  });

  /** Nothing was stopped, started or moved since the test began. */
  const assertUndisturbed = async () => {
    assert.deepEqual(await look(), places, await fleet.logs());
    const nowMs = Date.now() - 500;
    for (const [name, [machine]] of places) {
      const gapMs = longestGapMs(ticksOf(machine, name), sinceMs, nowMs);
      assert.ok(gapMs < 2000, `${name} paused for ${gapMs} ms`);
    }
  };

  /** The cluster does what it is told: a new unit runs within that time. */
  const assertWhole = async (name: string, limitMs: number) => {
    const startedAt = performance.now();
    await fleet.until('three machines', async () => (await fleet.machineIds()).length === 3);
    await fleet.ok('start', name);
    await fleet.active(`${name}.service`);
    const ms = performance.now() - startedAt;
    assert.ok(ms < limitMs, `whole again only after ${ms} ms\n${await fleet.logs()}`);
    console.log(`whole again after ${Math.round(ms)} ms`);
    await fleet.destroy(`${name}.service`);
  };

  test('it is down for three leases: no unit stops, none restarts, and all is well soon after its return', async () => {
    await fleet.etcd.kill();
    await sleep(3 * AGENT_TTL_MS);
    const { status, stderr } = await fleet.fleetctl(['list-machines']);
    assert.notEqual(status, 0);
    assert.match(stderr, /etcd/);
    await fleet.etcd.start();
    await assertWhole('new@1', 3000);
    await assertUndisturbed();
  });

  test('it hangs for three leases: the same', async () => {
    fleet.etcd.pause();
    await sleep(3 * AGENT_TTL_MS);
    fleet.etcd.resume();
    await assertWhole('new@2', 3000 + AGENT_TTL_MS);
    await assertUndisturbed();
  });

  test('it comes and goes, a second at a time, and nothing moves', async () => {
    for (let count = 0; count < 5; count++) {
      fleet.etcd.pause();
      await sleep(1000);
      fleet.etcd.resume();
      await sleep(500);
    }
    await assertWhole('new@3', 5000);
    await assertUndisturbed();
  });

  test('its disk takes a quarter of a second for each write: all goes on, slower', async () => {
    await using _ = await fleet.etcd.slowDisk(250);
    await assertWhole('new@4', 15_000);
    await fleet.ok('start', ...NUMBERS.map((number) => `new@1${number}`));
    await fleet.ok('stop', ...NUMBERS.map((number) => `new@1${number}`));
    await fleet.destroy(...NUMBERS.map((number) => `new@1${number}.service`));
    await sleep(2 * AGENT_TTL_MS);
    await assertUndisturbed();
  });

  test('twenty changes of the leader while units come and go: nothing that runs is touched', async () => {
    const terms = new Set<unknown>();
    let over = false;
    const load = async () => {
      for (let round = 0; !over; round++) {
        const names = NUMBERS.map((number) => `new@${round}-${number}.service`);
        await fleet.ok('start', '--no-block', ...names);
        await fleet.ok('destroy', ...names);
      }
    };
    const loading = load();
    for (let count = 0; count < 20; count++) {
      const before = await fleet.record('cluster/leader');
      await fleet.etcd.ctl('del', LEADER);
      await fleet.until('a new term', async () => {
        const record = await fleet.record('cluster/leader');
        return record !== undefined && record.revision !== before?.revision;
      });
      terms.add((await fleet.record('cluster/leader'))?.revision);
    }
    over = true;
    await loading;
    assert.equal(terms.size, 20);
    await assertWhole('new@5', 10_000);
    await assertUndisturbed();
    await fleet.until('only what should run', async () => (await fleet.units()).length === NUMBERS.length);
  });
});
