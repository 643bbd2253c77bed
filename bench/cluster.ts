/**
 * The figures of a running lab, as a user meets them: every number is taken from outside, through the real fleetctl.
 * `npm run bench -- cluster [--quick]`.
 */
import { systemClock as clock, systemRandom as random, silentLog } from '../src/lib/index.ts';
import { openEtcdStore } from '../src/store/index.ts';
import { type Figure, printFigures } from './figures.ts';
import { BenchLab, cpuSeconds, residentMb, spawnSleeps } from './lab.ts';

const SLEEP = '[Unit]\nDescription=Sleep\n\n[Service]\nExecStart=/bin/sleep infinity\n';
const FAILOVERS = 4;

export async function benchCluster(quick: boolean): Promise<void> {
  const lab = new BenchLab();
  try {
    await lab.up();
    const single = await commands(lab, quick ? 5 : 20);
    printFigures('300 units at once', await manyUnits(lab));
    printFigures('idle with 300 units', await idle(lab, quick ? 10 : 60));
    await lab.fleetctl('destroy', ...names(300));
    printFigures('fleetctl', [...single, await listUnits(lab, quick ? 3 : 10)]);
    printFigures('failover', await failover(lab, quick ? 1 : FAILOVERS));
  } finally {
    await lab.down();
  }
}

function names(count: number): string[] {
  return Array.from({ length: count }, (_, i) => `sleep@${i}.service`);
}

async function commands(lab: BenchLab, runs: number): Promise<Figure[]> {
  const version: number[] = [];
  const start: number[] = [];
  const node: number[] = [];
  await lab.fleetctl('version');
  for (let i = 0; i < runs; i++) {
    const file = lab.unit(`new-${i}.service`, SLEEP);
    node.push((await lab.run(process.execPath, ['-e', '0'])).ms);
    version.push((await lab.fleetctl('version')).ms);
    start.push((await lab.fleetctl('start', file)).ms);
  }
  await lab.fleetctl('destroy', ...Array.from({ length: runs }, (_, i) => `new-${i}.service`));
  const floor = { name: 'node -e 0', samples: node };
  return [
    { name: 'version', unit: 'ms', samples: version, target: 'median < 45', floor },
    { name: 'start of one new unit, until active', unit: 'ms', samples: start, target: 'median < 150', floor },
  ];
}

async function listUnits(lab: BenchLab, runs: number): Promise<Figure> {
  const template = lab.unit('idle@.service', '[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/true\n');
  const units = Array.from({ length: 1000 }, (_, i) => `idle@${i}.service`);
  await lab.fleetctl('submit', template);
  await lab.fleetctl('load', ...units);
  const samples: number[] = [];
  const version: number[] = [];
  for (let i = 0; i < runs; i++) {
    const { ms, stdout } = await lab.fleetctl('list-units', '--no-legend');
    const lines = stdout.trim().split('\n').length;
    if (lines !== 1000) throw new Error(`list-units printed ${lines} lines, not 1000`);
    samples.push(ms);
    version.push((await lab.fleetctl('version')).ms);
  }
  await lab.fleetctl('destroy', ...units, 'idle@.service');
  const floor = { name: 'fleetctl version', samples: version };
  return { name: 'list-units of 1,000 units', unit: 'ms', samples, target: 'median < 120', floor };
}

async function manyUnits(lab: BenchLab): Promise<Figure[]> {
  await lab.fleetctl('submit', lab.unit('sleep@.service', SLEEP));
  const floor = { name: '300 spawns by hand', samples: [(await spawnSleeps(300)) / 1000] };
  const { ms } = await lab.fleetctl('start', ...names(300));
  const active = (await lab.fleetctl('list-units', '--no-legend')).stdout
    .split('\n')
    .filter((line) => /running/.test(line));
  if (active.length !== 300) throw new Error(`${active.length} of 300 units are running`);
  return [{ name: 'start of 300 units, until all active', unit: 's', samples: [ms / 1000], target: '< 6', floor }];
}

async function idle(lab: BenchLab, seconds: number): Promise<Figure[]> {
  const store = openEtcdStore({ endpoints: [lab.storeEndpoint()], clock, random, log: silentLog });
  const pids = (await lab.machines()).map(({ pid }) => pid);
  await clock.sleep(3000);
  const used = () => pids.reduce((sum, pid) => sum + cpuSeconds(pid), 0);
  const [cpuBefore, revisionBefore] = [used(), await store.revision()];
  await clock.sleep(seconds * 1000);
  const [cpuAfter, revisionAfter] = [used(), await store.revision()];
  await store.close();
  return [
    {
      name: `all fleetd together over ${seconds} s`,
      unit: '% of a core',
      samples: [((cpuAfter - cpuBefore) / seconds) * 100],
      target: '< 1',
    },
    { name: 'store writes', unit: 'revisions', samples: [revisionAfter - revisionBefore], target: '0' },
    { name: 'fleetd resident memory', unit: 'MB', samples: pids.map((pid) => residentMb(pid)), target: 'aim < 90' },
  ];
}

async function failover(lab: BenchLab, rounds: number): Promise<Figure[]> {
  const samples: { leader: number[]; other: number[] } = { leader: [], other: [] };
  await lab.fleetctl('start', lab.unit('hello.service', SLEEP));
  for (let round = 0; round < rounds * 2; round++) {
    const ofLeader = round % 2 === 0;
    await placeHello(lab, ofLeader);
    samples[ofLeader ? 'leader' : 'other'].push(await killAndWait(lab));
  }
  return [
    { name: 'the dead machine led', unit: 's', samples: samples.leader, target: '< 7' },
    { name: 'the dead machine did not lead', unit: 's', samples: samples.other, target: '< 7' },
  ];
}

async function helloMachine(lab: BenchLab): Promise<string | undefined> {
  const { stdout } = await lab.fleetctl('list-units', '--full', '--no-legend', '--fields', 'unit,machine,sub');
  const line = stdout.split('\n').find((row) => row.startsWith('hello.service') && row.includes('running'));
  return line?.split(/\t+/)[1]?.split('/')[0];
}

/** Sees to it that hello.service runs on the leader, or on a machine that does not lead, after all machines are up. */
async function placeHello(lab: BenchLab, onLeader: boolean): Promise<void> {
  // Whoever has just joined must have been seen alive for a TTL before its death is told from an absence.
  await clock.sleep(7000);
  const target = (await lab.machines()).find(({ leader }) => leader === onLeader)!;
  await lab.fleetctl('destroy', 'hello.service');
  const text = `${SLEEP}\n[X-Fleet]\nMachineMetadata=bench=here\n`;
  for (const { id } of await lab.machines()) await setMetadata(lab, id, id === target.id);
  await lab.fleetctl('start', lab.unit('hello.service', text));
  // Free to go elsewhere from now on, without having to leave.
  for (const { id } of await lab.machines()) await setMetadata(lab, id, true);
}

async function setMetadata(lab: BenchLab, machine: string, here: boolean): Promise<void> {
  const up = (await lab.machines()).find(({ state }) => state === 'up')!;
  const response = await fetch(`${up.endpoint}/fleet/v1/machines`, {
    method: 'PATCH',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify([{ op: 'replace', path: `/${machine}/metadata/bench`, value: here ? 'here' : 'elsewhere' }]),
  });
  if (response.status !== 204) throw new Error(`PATCH /machines answered ${response.status}: ${await response.text()}`);
}

/** Cuts the power of hello.service's machine; seconds until list-units shows it running elsewhere. */
async function killAndWait(lab: BenchLab): Promise<number> {
  const before = await helloMachine(lab);
  const victim = (await lab.machines()).find(({ id }) => id === before)!;
  const startMs = performance.now();
  await lab.fleetctl('lab', 'kill', String(victim.number));
  for (;;) {
    const now = await helloMachine(lab);
    if (now && now !== before) break;
    if (performance.now() - startMs > 60_000) throw new Error('hello.service did not run elsewhere within 60 s');
    await clock.sleep(50);
  }
  const seconds = (performance.now() - startMs) / 1000;
  await lab.fleetctl('lab', 'revive', String(victim.number));
  return seconds;
}
