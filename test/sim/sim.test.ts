import assert from 'node:assert/strict';
import { test } from 'node:test';
import { InvariantBroken } from './invariants.ts';
import { runSeed } from './run-seed.ts';
import { DRAIN_MS, TTL_MS } from './simulated-machine.ts';
import type { Mutant } from './store-client.ts';
import { CONVERGENCE_MS, World } from './world.ts';

const SEEDS = 200;

test(`${SEEDS} random lives of a cluster keep every safety rule and settle after the last fault`, async () => {
  let commits = 0;
  let starts = 0;
  for (let seed = 1; seed <= SEEDS; seed++) {
    try {
      const result = await runSeed(seed);
      commits += result.commits;
      starts += result.starts;
    } catch (error) {
      assert.fail(`seed ${seed}: ${(error as Error).message}\nagain: npm run sim -- --seed ${seed} --trace`);
    }
  }
  // A simulation in which nothing happens proves nothing.
  assert.ok(commits > SEEDS * 20, `only ${commits} commits`);
  assert.ok(starts > SEEDS, `only ${starts} starts`);
});

test('the same seed lives the same life', async () => {
  const life = async () => {
    const lines: string[] = [];
    await runSeed(7, { trace: (line) => lines.push(line) });
    return lines.join('\n');
  };
  assert.equal(await life(), await life());
});

for (const mutant of ['no-fence', 'status-without-lease', 'skipping-watch'] as const) {
  test(`the mutant ${mutant} is caught`, async () => {
    const caught = await firstSeedThatCatches(mutant, 100);
    assert.ok(caught !== undefined, `100 seeds passed with ${mutant}`);
  });
}

async function firstSeedThatCatches(mutant: Mutant, seeds: number): Promise<number | undefined> {
  for (let seed = 1; seed <= seeds; seed++) {
    try {
      await runSeed(seed, { mutant });
    } catch (error) {
      assert.ok(error instanceof InvariantBroken || /not settled/.test((error as Error).message), String(error));
      return seed;
    }
  }
  return undefined;
}

/** A settled cluster of three machines with nine units on it. */
async function settledCluster(seed: number): Promise<World> {
  const world = new World({ seed, machines: 3 });
  for (const machine of world.machines) machine.start();
  await world.run(500);
  for (let i = 0; i < 9; i++) world.submit(`u${i}.service`, 'launched');
  await world.run(2 * TTL_MS);
  assert.equal(world.placementsNow().size, 9);
  return world;
}

test('a leader that dies takes nothing with it but its own units, and they run elsewhere within TTL and a second', async () => {
  const world = await settledCluster(1);
  const before = world.placementsNow();
  const leader = JSON.parse(world.server.get('/sim/cluster/leader')!.value) as { machine: string };
  world.machines.find(({ id }) => id === leader.machine)!.powerOff();
  await world.run(TTL_MS + 1000);
  const after = world.placementsNow();
  for (const [unit, machine] of before) {
    if (machine !== leader.machine) assert.equal(after.get(unit), machine, `${unit} was moved for nothing`);
    else assert.notEqual(after.get(unit), leader.machine);
  }
  const running = world.machines.flatMap((machine) => machine.runtime.running());
  assert.equal(running.length, 9);
});

test('after a power cut nothing moves when all machines come back, however slowly within a TTL', async () => {
  for (let seed = 1; seed <= 20; seed++) {
    const world = await settledCluster(seed);
    const before = world.placementsNow();
    world.server.stop();
    for (const machine of world.machines) machine.powerOff();
    await world.run(30_000);
    world.server.start();
    for (const machine of world.machines)
      world.time.schedule(world.random.float() * (TTL_MS - 500), () => machine.start());
    await world.run(TTL_MS + CONVERGENCE_MS);
    assert.deepEqual([...world.placementsNow()], [...before], `seed ${seed}`);
    assert.equal(world.machines.flatMap((machine) => machine.runtime.running()).length, 9);
  }
});

test('after a power cut the units of a machine that stays away run elsewhere', async () => {
  const world = await settledCluster(3);
  world.server.stop();
  for (const machine of world.machines) machine.powerOff();
  await world.run(10_000);
  world.server.start();
  for (const machine of world.machines.slice(1)) machine.start();
  await world.run(2 * CONVERGENCE_MS);
  assert.equal(world.machines.slice(1).flatMap((machine) => machine.runtime.running()).length, 9);
});

test('losing the store for a minute stops nothing and moves nothing', async () => {
  const world = await settledCluster(4);
  const before = world.placementsNow();
  const startsBefore = world.invariants.starts;
  world.server.stop();
  await world.run(60_000);
  assert.equal(world.machines.flatMap((machine) => machine.runtime.running()).length, 9);
  world.server.start();
  await world.run(CONVERGENCE_MS);
  assert.deepEqual([...world.placementsNow()], [...before]);
  assert.equal(world.invariants.starts, startsBefore, 'no unit was started again');
});

test('all are cut off from the store until their leases have ended: nothing stops, nothing moves', async () => {
  for (let seed = 1; seed <= 20; seed++) {
    const world = await settledCluster(seed);
    const before = world.placementsNow();
    const startsBefore = world.invariants.starts;
    for (const machine of world.machines) machine.cut();
    await world.run(60_000);
    for (const machine of world.machines) machine.heal();
    await world.run(CONVERGENCE_MS);
    assert.deepEqual([...world.placementsNow()], [...before], `seed ${seed}`);
    assert.equal(world.invariants.starts, startsBefore, `seed ${seed}: a unit was started again`);
  }
});

test('a machine that is back stops its second copies at once, without draining them', async () => {
  for (let seed = 1; seed <= 40; seed++) {
    const world = await settledCluster(seed);
    const machine = world.machines[seed % 3]!;
    const units = machine.runtime.running();
    machine.cut();
    await world.run(3 * TTL_MS + seed * 37);
    assert.deepEqual(machine.runtime.running(), units, `seed ${seed}: they run on while it is cut off`);
    machine.heal();
    // A request that was under way when the network came back takes a second to fail.
    await world.run(DRAIN_MS);
    assert.deepEqual(machine.runtime.running(), [], `seed ${seed}`);
  }
});

test('a unit that has run once is started nowhere again when its machines die, until its user asks for it', async () => {
  for (let seed = 1; seed <= 20; seed++) {
    const world = await settledCluster(seed);
    world.submit('once.service', 'launched', { runOnce: true });
    await world.run(2 * TTL_MS);
    assert.equal(world.invariants.ends, 1, `seed ${seed}: it has run`);
    for (const stays of [false, true]) {
      const machine = world.machines.find(({ id }) => id === world.placementsNow().get('once.service'))!;
      machine.powerOff();
      await world.run(stays ? 100 : 2 * TTL_MS);
      machine.start();
      await world.run(2 * TTL_MS);
    }
    assert.equal(world.invariants.ends, 1, `seed ${seed}: it runs no more`);
    world.setDesired('once.service', 'launched');
    await world.run(2 * TTL_MS);
    assert.equal(world.invariants.ends, 2, `seed ${seed}: its user has asked for it`);
    world.destroy('once.service');
    await world.run(100);
    world.submit('once.service', 'launched', { runOnce: true }, 1);
    await world.run(3 * TTL_MS);
    assert.equal(world.invariants.ends, 3, `seed ${seed}: it is another unit`);
    assert.deepEqual(await world.differences(), [], `seed ${seed}`);
  }
});

test('a fleetd that stood still for longer than its lease starts nothing that was decided before', async () => {
  for (let tenths = 0; tenths < 400; tenths += 5) {
    const world = new World({ seed: 6, machines: 2 });
    for (const machine of world.machines) machine.start();
    await world.run(2 * TTL_MS);
    world.submit('careful.service', 'launched', { onPartition: 'stop' });
    world.submit('plain.service', 'launched');
    await world.run(tenths / 10);
    for (const machine of world.machines) machine.standStill();
    await world.run(2 * TTL_MS);
    for (const machine of world.machines) machine.goOn();
    await world.run(2 * CONVERGENCE_MS);
    assert.equal(world.machines.flatMap((machine) => machine.runtime.running()).length, 2, `${tenths / 10} ms`);
  }
});

test('units that are destroyed and submitted again with the same file, quickly and often, run in the end', async () => {
  for (let seed = 1; seed <= 20; seed++) {
    const world = await settledCluster(seed);
    for (let round = 0; round < 5; round++) {
      for (let i = 0; i < 9; i++) world.resubmit(`u${i}.service`, {}, 0);
      await world.run(500);
    }
    await world.run(CONVERGENCE_MS);
    assert.deepEqual(await world.differences(), [], `seed ${seed}`);
  }
});

test('a unit whose text is lost runs once that is there again', async () => {
  const world = await settledCluster(8);
  for (let i = 0; i < 9; i++) world.loseText(`u${i}.service`, 3 * TTL_MS);
  for (const machine of world.machines) machine.powerOff();
  await world.run(2 * TTL_MS);
  for (const machine of world.machines) machine.start();
  await world.run(TTL_MS);
  assert.deepEqual(
    world.machines.flatMap((machine) => machine.runtime.running()),
    [],
  );
  await world.run(2 * CONVERGENCE_MS);
  assert.deepEqual(await world.differences(), []);
});

test('no unit with OnPartition=stop runs without a promise on disk; it is started as soon as there is room', async () => {
  const world = await settledCluster(9);
  for (const machine of world.machines) machine.diskIsFull = true;
  world.submit('careful.service', 'launched', { onPartition: 'stop' });
  world.submit('plain.service', 'launched');
  await world.run(2 * CONVERGENCE_MS);
  const running = world.machines.flatMap((machine) => machine.runtime.running());
  assert.deepEqual([running.includes('careful.service'), running.includes('plain.service')], [false, true]);
  for (const machine of world.machines) machine.diskIsFull = false;
  // A refused start is tried again within a minute.
  await world.run(60_000 + CONVERGENCE_MS);
  assert.deepEqual(await world.differences(), []);
});

test('a fleetd that crashes and returns within its TTL is not missed, and adopts its units', async () => {
  const world = await settledCluster(5);
  const startsBefore = world.invariants.starts;
  for (const machine of world.machines) {
    machine.crash();
    await world.run(2000);
    machine.start();
    await world.run(3000);
  }
  assert.equal(world.invariants.starts, startsBefore);
  assert.deepEqual(await world.differences(), []);
});
