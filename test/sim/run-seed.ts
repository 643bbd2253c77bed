import type { Needs } from '../../src/model/index.ts';
import type { SimulatedMachine } from './simulated-machine.ts';
import type { Mutant } from './store-client.ts';
import { World } from './world.ts';

export interface SeedOptions {
  readonly mutant?: Mutant | undefined;
  readonly trace?: ((line: string) => void) | undefined;
}

export interface SeedResult {
  readonly seed: number;
  readonly commits: number;
  readonly starts: number;
  readonly virtualMs: number;
}

const CHAOS_MS = 45_000;

/**
 * One random life of a cluster: users submit and change units while machines, network, clocks and store fail in every
 * way of the fault menu. Throws when a safety rule is broken, or when the cluster has not settled after the last fault.
 */
export async function runSeed(seed: number, options: SeedOptions = {}): Promise<SeedResult> {
  const world = new World({ seed, machines: 3 + (seed % 3), ...options });
  const { random } = world;
  for (const machine of world.machines) machine.start();
  await world.run(500);
  while (world.time.nowMs < CHAOS_MS) {
    if (random.chance(0.55)) userActs(world);
    else faultStrikes(world);
    await world.run(50 + random.float() * 1500);
  }
  await world.mend();
  const differences = await world.differences();
  if (differences.length > 0) throw new Error(`not settled after all faults ended:\n  ${differences.join('\n  ')}`);
  const { commits, starts } = world.invariants;
  return { seed, commits, starts, virtualMs: world.time.nowMs };
}

function unitName(world: World): string {
  return `u${world.random.int(10)}.service`;
}

function userActs(world: World): void {
  const { random } = world;
  const name = unitName(world);
  const roll = random.float();
  if (roll < 0.1) world.resubmit(name, randomNeeds(world), random.int(3));
  else if (roll < 0.5)
    world.submit(name, random.pick(['launched', 'launched', 'launched', 'loaded']), randomNeeds(world), random.int(3));
  else if (roll < 0.7) world.setDesired(name, random.pick(['launched', 'launched', 'loaded', 'inactive']));
  else if (roll < 0.85) world.destroy(name);
  else world.setMetadata(random.pick(world.machines).id, 'zone', random.pick(['a', 'b', undefined]));
}

function randomNeeds(world: World): Partial<Needs> {
  const { random } = world;
  const other = unitName(world);
  switch (random.int(9)) {
    case 0:
      return { conflicts: [other, unitName(world)] };
    case 1:
      return { machineOf: [other] };
    case 2:
      return { metadata: { zone: [random.pick(['a', 'b'])] } };
    case 3:
      return { global: true };
    case 4:
      return { onPartition: 'stop' };
    case 5:
      return { replaces: [other] };
    case 6:
      return { runOnce: true };
    default:
      return {};
  }
}

type Fault = (world: World, machine: SimulatedMachine, later: (fn: () => void) => void) => void;

/** The fault menu. Each fault ends by itself after a while, or by another one. */
const FAULTS: Readonly<Record<string, Fault>> = {
  'fleetd crashes': (_, machine, later) => {
    machine.crash();
    later(() => machine.start());
  },
  'power is lost': (_, machine, later) => {
    machine.powerOff();
    later(() => machine.start());
  },
  'fleetd is stopped': (_, machine, later) => {
    machine.stop();
    later(() => machine.start());
  },
  'fleetd stands still': (world, machine, later) => {
    // Best while there is something to do.
    userActs(world);
    world.time.schedule(world.random.float() * 30, () => machine.standStill());
    later(() => machine.goOn());
  },
  'the network is cut': (_, machine, later) => {
    machine.cut();
    later(() => machine.heal());
  },
  'requests and answers are lost': (_, machine, later) => {
    machine.link.lossRate = 0.2;
    later(() => machine.heal());
  },
  'requests are stuck': (_, machine, later) => {
    machine.link.stuckRate = 0.1;
    later(() => machine.heal());
  },
  'the network is slow': (_, machine, later) => {
    machine.link.maxDelayMs = 400;
    later(() => machine.heal());
  },
  'the clock jumps': (world, machine) => machine.jumpClock(world.random.pick([-3_600_000, 3_600_000])),
  'a text is lost': (world) => world.loseText(unitName(world), world.random.float() * 10_000),
  'the runtime refuses': (world, machine, later) => {
    machine.runtime.refusal = 'no space left on device';
    userActs(world);
    later(() => {
      machine.runtime.refusal = undefined;
    });
  },
  'the disk is full': (world, machine, later) => {
    machine.diskIsFull = true;
    userActs(world);
    later(() => {
      machine.diskIsFull = false;
    });
  },
  'the store forgets history': (world) => world.server.compact(world.random.int(50)),
  'the store goes down': (world, _, later) => {
    world.server.stop();
    later(() => world.server.start());
  },
  'all power is lost': (world, _, later) => {
    world.server.stop();
    for (const machine of world.machines) machine.powerOff();
    later(() => {
      world.server.start();
      for (const machine of world.machines) later(() => machine.start());
    });
  },
};

function faultStrikes(world: World): void {
  const { random, time } = world;
  const machine = random.pick(world.machines);
  const name = random.pick(Object.keys(FAULTS));
  world.note(`${name} (${machine.id})`);
  FAULTS[name]!(world, machine, (fn) => time.schedule(200 + random.float() * 10_000, fn));
}
