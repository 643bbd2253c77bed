import assert from 'node:assert/strict';
import { globSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { AGENT_TTL_MS, Fleet, fleetProblem } from './fleet.ts';
import type { Machine } from './machine.ts';
import { FLOTILLA, NODE } from './machine-set.ts';

// The clock of a host cannot be set for some of its processes only: this library tells those that load it another time.
const [library] = globSync('/usr/lib/*/faketime/libfaketimeMT.so.1');
const problem = library === undefined ? 'missing libfaketime: apt-get install libfaketime' : undefined;

const HOUR_MS = 3_600_000;
const NAMES = [1, 2, 3, 4, 5, 6].map((number) => `sleeps@${number}.service`);

/** fleetd with a wall clock that can be set; the one that only goes forward is the machine's. */
const FLEETD = `#!/bin/sh
export LD_PRELOAD=${library} FAKETIME_TIMESTAMP_FILE=/run/wall-clock FAKETIME_NO_CACHE=1 FAKETIME_DONT_FAKE_MONOTONIC=1
exec ${NODE} ${FLOTILLA}/dist/fleetd.cjs "$@"
`;

describe('the clock of a machine is set', { skip: fleetProblem() ?? problem ?? false }, () => {
  let fleet: Fleet;
  before(async () => {
    fleet = await Fleet.open({ machines: 3 });
    for (const machine of fleet.machines) {
      await setClock(machine, 0);
      await machine.ok('sh', '-c', 'printf %s "$1" >/opt/bin/fleetd', 'sh', FLEETD);
      await machine.ok('systemctl', 'kill', '--kill-whom=main', '--signal=KILL', 'fleetd.service');
    }
    await fleet.until('three machines', async () => (await fleet.machineIds()).length === 3);
    await fleet.submit('sleeps@.service', '[Service]\nExecStart=/bin/sleep infinity\n');
    await fleet.ok('start', ...NAMES);
  });
  after(() => fleet?.[Symbol.asyncDispose]());

  const setClock = (machine: Machine, offsetMs: number) =>
    machine.ok('sh', '-c', `echo "${offsetMs < 0 ? '' : '+'}${offsetMs / 1000}" >/run/wall-clock`);

  const look = async () => {
    const rows = NAMES.map(async (name) => {
      const [machine] = await fleet.active(name);
      return [name, machine.name, await machine.ok('systemctl', 'show', '--property=InvocationID', name)];
    });
    return Promise.all(rows);
  };

  test('by an hour, forward on one and back on another: nobody is taken for dead, and nothing is started again', async () => {
    const before = await look();
    const leader = await fleet.leader();
    const [other] = fleet.machines.filter((machine) => machine !== leader);
    for (const [offsetMs, otherOffsetMs] of [
      [HOUR_MS, -HOUR_MS],
      [-HOUR_MS, HOUR_MS],
      [0, 0],
    ] as const) {
      await setClock(leader, offsetMs);
      await setClock(other!, otherOffsetMs);
      const startedAtMs = Date.now();
      await fleet.ok('start', 'sleeps@7.service');
      const [machine] = await fleet.active('sleeps@7.service');
      const placement = await fleet.record(`cluster/placement/${machine.machineId}/sleeps@7.service`);
      assert.ok(placement, 'its placement stands in the store');
      const { at } = placement.value as { readonly at: number };
      assert.ok(Math.abs(at - startedAtMs - offsetMs) < 60_000, `the leader's clock is ${at - startedAtMs} ms off`);
      await sleep(2 * AGENT_TTL_MS);
      assert.deepEqual(await look(), before, await fleet.logs());
      assert.equal(await fleet.leader(), leader);
      await fleet.destroy('sleeps@7.service');
    }
  });
});
