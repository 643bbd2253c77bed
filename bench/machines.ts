/**
 * The figures of three real machines, each a systemd of its own, with etcd; all on this computer. Asked from outside,
 * through the fleetctl on a machine. Needs root and what the tests on machines need. `npm run bench -- machines [--quick]`.
 */

import { setTimeout as sleep } from 'node:timers/promises';
import { until } from '../src/lib/test-until.ts';
import { Fleet, mainPid } from '../test/machines/fleet.ts';
import type { Machine } from '../test/machines/machine.ts';
import { machinesProblem } from '../test/machines/machine-set.ts';
import { ok } from '../test/machines/run.ts';
import { type Figure, printFigures } from './figures.ts';
import { cpuSeconds, residentMb } from './lab.ts';

const SLEEP = '[Unit]\nDescription=Sleep\n\n[Service]\nExecStart=/bin/sleep infinity\n';
/** How many units are started at once, in one series of figures. */
const CROWDS: readonly number[] = [100, 500, 1000];

export async function benchMachines(quick: boolean): Promise<void> {
  const problem = machinesProblem();
  if (problem !== undefined) throw new Error(`no figures of machines here: ${problem}`);
  await using fleet = await Fleet.open({ machines: 3, settings: ['agent_ttl=5s'] });
  printFigures('three machines: one unit', await oneUnit(fleet, quick ? 3 : 20));
  for (const count of quick ? [100] : CROWDS) {
    printFigures(`three machines: ${count} units at once`, await crowd(fleet, count));
    if (count === CROWDS.at(-1)) {
      printFigures('three machines: idle with 1,000 units', await idle(fleet, 60));
      printFigures('three machines: etcd away for 60 s, 1,000 units', await outage(fleet, count, 60));
    }
    await fleet.ok('destroy', ...instances(count));
    await until('all are gone', async () => (await fleet.units()).length === 0, 120_000);
  }
  printFigures('three machines: power loss of one', await failover(fleet, quick ? 1 : 10));
}

async function oneUnit(fleet: Fleet, runs: number): Promise<Figure[]> {
  const [machine] = fleet.machines as readonly [Machine];
  const samples: { start: number[]; systemctl: number[]; put: number[]; node: number[] } = {
    start: [],
    systemctl: [],
    put: [],
    node: [],
  };
  const byHand =
    'd=/run/systemd/system; cp "$1" $d/by-hand.service && systemctl daemon-reload && systemctl start by-hand';
  for (let i = 0; i < runs; i++) {
    const file = `/tmp/new-${i}.service`;
    await machine.ok('sh', '-c', 'printf %s "$2" >"$1"', 'sh', file, SLEEP);
    samples.systemctl.push(await timed(() => machine.ok('sh', '-c', byHand, 'sh', file)));
    await machine.ok('sh', '-c', 'systemctl stop by-hand; rm /run/systemd/system/by-hand.service');
    samples.put.push(await timed(() => etcdctl(fleet, 'put', '/bench', 'x'.repeat(300))));
    samples.node.push(await timed(() => machine.ok('fleetctl', 'version')));
    samples.start.push(await timed(() => machine.ok('fleetctl', 'start', file)));
  }
  await fleet.ok('destroy', ...Array.from({ length: runs }, (_, i) => `new-${i}.service`));
  const floor = { name: 'daemon-reload and start by systemctl', samples: samples.systemctl };
  const target = 'median < 150, and < 3 × the floor';
  return [
    { name: 'start of one new unit, until active', unit: 'ms', samples: samples.start, target, floor },
    { name: 'fleetctl version', unit: 'ms', samples: samples.node },
    { name: 'etcdctl put', unit: 'ms', samples: samples.put },
  ];
}

async function crowd(fleet: Fleet, count: number): Promise<Figure[]> {
  const floor = { name: 'systemctl', samples: [(await startByHand(fleet, count)) / 1000] };
  await fleet.submit('sleep@.service', SLEEP);
  const putsBefore = await metric(fleet, 'etcd_debugging_mvcc_put_total');
  const callsBefore = await calls(fleet);
  const ms = await timed(() => fleet.ok('start', ...instances(count)));
  const units = await fleet.units();
  const active = units.filter(({ systemdActiveState }) => systemdActiveState === 'active').length;
  if (active !== count) throw new Error(`${active} of ${count} units are active`);
  const puts = (await metric(fleet, 'etcd_debugging_mvcc_put_total')) - putsBefore;
  const requests = (await calls(fleet)) - callsBefore;
  const lists: number[] = [];
  for (let i = 0; i < 10; i++) lists.push(await timed(() => fleet.ok('list-units', '--no-legend')));
  return [
    {
      name: 'from start until all are active',
      unit: 's',
      samples: [ms / 1000],
      target: '< 1.5 × the floor, < 7',
      floor,
    },
    { name: 'keys written in etcd', unit: 'per unit', samples: [puts / count], target: '<= 6' },
    { name: 'requests to etcd', unit: 'per unit', samples: [requests / count] },
    { name: 'list-units', unit: 'ms', samples: lists },
    ...(await stops(fleet)),
  ];
}

/** The first 100 units are stopped, unloaded, and started again. */
async function stops(fleet: Fleet): Promise<Figure[]> {
  const first = instances(100);
  const stop = await timed(() => fleet.ok('stop', ...first));
  const unload = await timed(() => fleet.ok('unload', ...first));
  await fleet.ok('destroy', ...first);
  await fleet.ok('start', ...first);
  const destroy = await timed(async () => {
    await fleet.ok('destroy', ...first);
    await until('they are gone', async () => !(await fleet.units()).some(({ name }) => first.includes(name)), 120_000);
  });
  await fleet.ok('start', ...first);
  const figure = (name: string, ms: number) => ({ name, unit: 's', samples: [ms / 1000], target: '< 2' });
  return [
    figure('stop of 100', stop),
    figure('unload of 100', unload),
    figure('destroy of 100 that run, until gone', destroy),
  ];
}

/** The same units, spread evenly, by systemctl alone: until all are active, in milliseconds. */
async function startByHand(fleet: Fleet, count: number): Promise<number> {
  const share = Math.ceil(count / fleet.machines.length);
  const script = (last: string) =>
    `d=/run/systemd/system; n=$(seq -f by-hand-%g.service ${share}); for i in $n; do ${last}; done`;
  await each(fleet, (machine) =>
    machine.ok('sh', '-c', 'printf %s "$1" >/tmp/by-hand.service', 'sh', SLEEP).then(() => {}),
  );
  const ms = await timed(() =>
    each(fleet, (machine) =>
      machine
        .ok('sh', '-c', `${script('cp /tmp/by-hand.service $d/$i')}; systemctl daemon-reload && systemctl start $n`)
        .then(() => {}),
    ),
  );
  await each(fleet, (machine) =>
    machine.ok('sh', '-c', `${script('rm $d/$i')}; systemctl stop $n; systemctl daemon-reload`).then(() => {}),
  );
  return ms;
}

async function idle(fleet: Fleet, seconds: number): Promise<Figure[]> {
  // The view that answered list-units is given up a minute after it was asked last.
  await sleep(65_000);
  const pids = await Promise.all(fleet.machines.map((machine) => mainPid(machine, 'fleetd.service')));
  const used = () => fleet.machines.map(({ root }, i) => cpuSeconds(pids[i]!, root));
  const [cpuBefore, callsBefore] = [used(), await calls(fleet)];
  await sleep(seconds * 1000);
  const [cpuAfter, callsAfter] = [used(), await calls(fleet)];
  const shares = cpuAfter.map((after, i) => ((after - cpuBefore[i]!) / seconds) * 100);
  const perMachine = (callsAfter - callsBefore) / seconds / fleet.machines.length;
  return [
    { name: 'a fleetd', unit: '% of a core', samples: shares, target: '< 0.5' },
    { name: 'etcd messages a machine', unit: 'per s', samples: [perMachine], target: '< 1' },
    {
      name: 'fleetd resident memory',
      unit: 'MB',
      samples: fleet.machines.map(({ root }, i) => residentMb(pids[i]!, root)),
      target: 'aim < 120',
    },
  ];
}

/** etcd is killed and started again: how long from its return until everything is as it was. */
async function outage(fleet: Fleet, count: number, seconds: number): Promise<Figure[]> {
  await fleet.etcd.kill();
  await sleep(seconds * 1000);
  await fleet.etcd.start();
  const ms = await timed(() =>
    until(
      'everything is whole again',
      async () => {
        const active = (await fleet.units()).filter(({ systemdActiveState }) => systemdActiveState === 'active').length;
        return active === count && (await fleet.machineIds()).length === fleet.machines.length;
      },
      120_000,
    ),
  );
  return [{ name: 'whole again after its return', unit: 's', samples: [ms / 1000], target: '< 3' }];
}

/** In turns, the machine that leads and another one lose their power; each runs a unit of its own. */
async function failover(fleet: Fleet, rounds: number): Promise<Figure[]> {
  const samples: Record<'leader' | 'other', number[]> = { leader: [], other: [] };
  const units = fleet.machines.map((_, index) => `spread-${index}.service`);
  for (let round = 0; round < rounds * 2; round++) {
    for (const unit of units) await fleet.start(unit, SLEEP);
    // Whoever has just joined must have been seen alive for a while before its death is told from an absence.
    await sleep(7000);
    const kind = round % 2 === 0 ? 'leader' : 'other';
    const { machine: leader } = JSON.parse(
      await etcdctl(fleet, 'get', '/_coreos.com/fleet/cluster/leader', '--print-value-only'),
    ) as { machine: string };
    const machine = fleet.machines.find(({ machineId }) => (machineId === leader) === (kind === 'leader'))!;
    const unit = (await fleet.units()).find(({ machineID }) => machineID === machine.machineId)!.name;
    const startMs = performance.now();
    await machine.kill();
    await fleet.active(unit, (other) => other !== machine);
    samples[kind].push((performance.now() - startMs) / 1000);
    await machine.boot();
    await until('all are back', async () => (await fleet.machineIds()).length === fleet.machines.length, 120_000);
    await fleet.ok('destroy', ...units);
  }
  const target = 'median < 6.5, worst < 8';
  return [
    { name: 'the dead machine led', unit: 's', samples: samples.leader, target },
    { name: 'the dead machine did not lead', unit: 's', samples: samples.other, target },
  ];
}

function instances(count: number): string[] {
  return Array.from({ length: count }, (_, i) => `sleep@${i}.service`);
}

async function timed(act: () => Promise<unknown>): Promise<number> {
  const startMs = performance.now();
  await act();
  return performance.now() - startMs;
}

async function each(fleet: Fleet, act: (machine: Machine) => Promise<void>): Promise<void> {
  await Promise.all(fleet.machines.map(act));
}

function etcdctl(fleet: Fleet, ...args: readonly string[]): Promise<string> {
  return ok(...fleet.set.network.inside('etcdctl', ['--endpoints', fleet.etcd.endpoint, ...args]));
}

/** The sum of one of etcd's own counters over all its labels. */
async function metric(fleet: Fleet, name: string): Promise<number> {
  const text = await ok(...fleet.set.network.inside('curl', ['-sS', `${fleet.etcd.endpoint}/metrics`]));
  const lines = text.split('\n').filter((line) => line.startsWith(`${name} `) || line.startsWith(`${name}{`));
  return lines.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
}

/** gRPC messages that etcd has received, keep-alives in streams included. */
function calls(fleet: Fleet): Promise<number> {
  return metric(fleet, 'grpc_server_msg_received_total');
}
