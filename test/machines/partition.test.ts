import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { AGENT_TTL_MS, Fleet, fleetProblem } from './fleet.ts';
import type { Machine } from './machine.ts';
import { longestGapMs, ticking, ticksOf } from './ticks.ts';

/** Long enough for everything that waits for the end of a lease to have happened twice. */
const CUT_MS = 3 * AGENT_TTL_MS;
const NUMBERS = [1, 2, 3];

/**
 * Each machine runs a pair: keep@ goes on while its machine is cut off, yield@ (OnPartition=stop) does not. The times at
 * which they ran are written by the units themselves, on the disks of their machines.
 */
describe('a machine is cut off from the others', { skip: fleetProblem() ?? false }, () => {
  let fleet: Fleet;
  before(async () => {
    fleet = await Fleet.open({ machines: 3 });
    await fleet.submit('keep@.service', ticking());
    await fleet.submit('yield@.service', ticking('[X-Fleet]\nMachineOf=keep@%i.service\nOnPartition=stop\n'));
    await fleet.ok('start', ...NUMBERS.flatMap((number) => [`keep@${number}`, `yield@${number}`]));
  });
  after(() => fleet?.[Symbol.asyncDispose]());

  const others = (machine: Machine) => fleet.machines.filter((other) => other !== machine);
  const lastOn = (machine: Machine, unit: string) => ticksOf(machine, unit).at(-1) ?? 0;

  /** Where a unit has run since then, other than on this machine. */
  const elsewhereSince = (machine: Machine, unit: string, sinceMs: number) =>
    others(machine).find((other) => lastOn(other, unit) > sinceMs);

  /** Waits until a unit has not run on that machine for a while; answers when it last did. */
  const ended = async (machine: Machine, unit: string) => {
    await fleet.until(`${unit} over`, async () => Date.now() - lastOn(machine, unit) > 1000);
    return lastOn(machine, unit);
  };

  const pairOn = async (machine: Machine) => {
    const rows = (await fleet.units()).filter(({ machineID }) => machineID === machine.machineId);
    const keep = rows.find(({ name }) => name.startsWith('keep@'))!.name;
    return { keep, yields: keep.replace('keep', 'yield') };
  };

  const cutAndHeal = async (machine: Machine) => {
    const { keep, yields } = await pairOn(machine);
    const cutAtMs = Date.now();
    await machine.cut();
    await sleep(CUT_MS);
    const healedAtMs = Date.now();
    await machine.heal();

    const other = elsewhereSince(machine, keep, cutAtMs);
    assert.ok(other, `${keep} was not started elsewhere\n${await fleet.logs()}`);
    const gapMs = longestGapMs(ticksOf(machine, keep), cutAtMs, healedAtMs);
    assert.ok(gapMs < 1000, `${keep} paused for ${gapMs} ms on the machine that was cut off`);

    const lastMs = await ended(machine, keep);
    assert.ok(lastMs - healedAtMs < 2000, `the second copy lived for ${lastMs - healedAtMs} ms after healing`);
    console.log(`${keep}: second copy gone ${Math.round(lastMs - healedAtMs)} ms after healing`);

    const next = elsewhereSince(machine, yields, cutAtMs);
    assert.ok(next, `${yields} was not started elsewhere\n${await fleet.logs()}`);
    const firstMs = ticksOf(next, yields).find((tick) => tick > cutAtMs)!;
    const yieldedMs = lastOn(machine, yields);
    assert.ok(yieldedMs > 0 && yieldedMs < firstMs, `${yields} ran twice for ${yieldedMs - firstMs} ms`);
    console.log(`${yields}: stopped ${Math.round(firstMs - yieldedMs)} ms before it ran elsewhere`);

    await fleet.until('three machines', async () => (await fleet.machineIds()).length === 3);
    const runningOn = await Promise.all(
      fleet.machines.map(async (each) => [each, await each.exec(['systemctl', 'is-active', keep, yields])] as const),
    );
    const copies = runningOn.filter(([, { stdout }]) => /^active/m.test(stdout));
    assert.deepEqual(
      copies.map(([each, { stdout }]) => [each.name, stdout]),
      [[other.name, 'active\nactive\n']],
    );
  };

  test('one that does not lead', async () => {
    const leader = await fleet.leader();
    await cutAndHeal(others(leader)[0]!);
    assert.equal(await fleet.leader(), leader);
  });

  test('the leader, and another one leads', async () => {
    const leader = await fleet.leader();
    await cutAndHeal(leader);
    assert.notEqual(await fleet.leader(), leader);
  });
});
