import { systemClock as clock, FlotillaError } from '../lib/index.ts';
import { commandName } from './command-name.ts';
import { dropLab, killUnrecorded, stopLab } from './down.ts';
import { type Interrupts, takeInterrupts } from './interrupts.ts';
import type { LabIo } from './lab-io.ts';
import { withLabLock } from './lab-lock.ts';
import { isRunning, type LabState, readLab, writeLab } from './lab-state.ts';
import { addMachines, newLab } from './new-lab.ts';
import { count, powerOn } from './power.ts';
import { identify, isAlive, signalProcess } from './process-identity.ts';
import { type GivenSettings, keepSettings } from './settings.ts';
import { labStatus, printStatus } from './status.ts';
import { printSummary } from './summary.ts';

export interface UpOptions {
  /** The number of machines; absent: as many as before, three in a new lab. */
  readonly machines?: number;
  readonly detach: boolean;
  readonly port?: number;
  readonly agentTtl?: string;
  readonly portBase?: number;
  readonly given: GivenSettings;
}

const DEFAULT_MACHINES = 3;
const DEFAULT_PORT = 49153;
/** Short, so that a newcomer sees a failover within seconds. */
const DEFAULT_AGENT_TTL = '5s';
const LOOK_AGAIN_MS = 500;

type Outcome = 'started' | 'partly' | 'failed' | 'already' | 'interrupted';

/** `lab up`: starts what does not run, prints it, and stays in the foreground until Ctrl-C unless detached. */
export async function up(lab: string, options: UpOptions, io: LabIo): Promise<number> {
  const startedAtMs = clock.monotonic();
  const interrupts = takeInterrupts();
  const outcome = await withLabLock(lab, io, () => start(lab, options, interrupts, io));
  if (outcome === 'interrupted') return 130;
  if (outcome === 'failed') return 1;
  const state = readLab(lab)!;
  const status = await labStatus(lab, state);
  if (outcome === 'already') {
    io.out('The lab is already running:\n\n');
    printStatus(status, io);
    io.out(`\nStop it with: ${commandName(io.env)} lab down\n`);
    return 0;
  }
  printSummary(status, clock.monotonic() - startedAtMs, options.detach, io);
  if (!options.detach) await stayInFront(lab, state, interrupts, io);
  return outcome === 'partly' ? 1 : 0;
}

async function start(lab: string, options: UpOptions, interrupts: Interrupts, io: LabIo): Promise<Outcome> {
  const state = readLab(lab) ?? (await beginLab(lab, options, io));
  if (state.starting !== undefined && !isAlive(state.starting)) {
    io.out('An earlier start of the lab was cut off half-way; clearing up what it left.\n');
    await dropLab(lab, state);
    await killUnrecorded(lab);
  }
  const known = state.machines.length;
  const wanted = options.machines ?? (known || DEFAULT_MACHINES);
  if (isRunning(state)) assertNothingNew(state, options);
  if (isRunning(state) && wanted <= known) return 'already';
  if (!isRunning(state)) {
    if (options.portBase !== undefined) state.portBase = options.portBase;
    state.port = options.port ?? options.portBase ?? state.port;
    state.agentTtl = options.agentTtl ?? state.agentTtl;
  }
  addMachines(lab, state, wanted);
  keepSettings(state, options.given);
  const machines = isRunning(state) ? state.machines.slice(known) : state.machines.slice(0, wanted);
  state.starting = identify(process.pid)!;
  writeLab(lab, state);
  return await startUnlessInterrupted(lab, state, machines, interrupts, io);
}

/** Throws for new settings of a running lab, which its machines would only read at their next start. */
function assertNothingNew(state: LabState, { port, portBase, agentTtl, given }: UpOptions): void {
  const changed = [
    ...(port !== undefined && port !== state.port ? ['--port'] : []),
    ...(portBase !== undefined && portBase !== state.portBase ? ['--port-base'] : []),
    ...(agentTtl !== undefined && agentTtl !== state.agentTtl ? ['--agent-ttl'] : []),
    ...(given.metadata.some(({ machine }) => machine === undefined) ? ['--metadata'] : []),
    ...(given.metadata.some(({ machine }) => machine !== undefined) ? ['--machine'] : []),
    ...(given.settings.length > 0 ? ['--set'] : []),
  ];
  if (changed.length === 0) return;
  const flags = changed.join(' and ');
  throw new FlotillaError('conflict', `the lab runs, and ${flags} can change only at its start: lab down, then lab up`);
}

/** Begins a new lab, after killing processes of an earlier one whose directory was deleted. */
async function beginLab(lab: string, { port, portBase, agentTtl }: UpOptions, io: LabIo): Promise<LabState> {
  if ((await killUnrecorded(lab)) > 0) io.out('Ended what a deleted lab had left running here.\n');
  return newLab(port ?? portBase ?? DEFAULT_PORT, agentTtl ?? DEFAULT_AGENT_TTL);
}

async function startUnlessInterrupted(
  lab: string,
  state: LabState,
  machines: LabState['machines'],
  { first }: Interrupts,
  io: LabIo,
): Promise<Outcome> {
  io.out(`Starting ${count(machines.length, 'machine')} in ${lab}\n`);
  const whileWanted: LabIo = {
    ...io,
    out: (text) => first.aborted || io.out(text),
    err: (text) => first.aborted || io.err(text),
  };
  const starting = powerOn(lab, state, machines, whileWanted);
  const interrupted = new Promise<undefined>((resolve) => first.addEventListener('abort', () => resolve(undefined)));
  try {
    const complete = await Promise.race([starting, interrupted]);
    if (!first.aborted && machines.some((machine) => machine.state === 'up')) {
      delete state.starting;
      writeLab(lab, state);
      return complete ? 'started' : 'partly';
    }
  } catch (error) {
    await dropLab(lab, state);
    throw error;
  }
  if (first.aborted) io.out('\nInterrupted: taking back what was started…\n');
  await dropLab(lab, state);
  // Processes that were being started have noticed the signal by now, or have just appeared.
  await starting.catch(() => {});
  await dropLab(lab, state);
  return first.aborted ? 'interrupted' : 'failed';
}

/** Prints changes of the lab until it is stopped, here by Ctrl-C or elsewhere by `lab down`. */
async function stayInFront(lab: string, initial: LabState, interrupts: Interrupts, io: LabIo): Promise<void> {
  const shown = new Map(initial.machines.map(({ number, state }) => [number, state]));
  for (;;) {
    await clock.sleep(LOOK_AGAIN_MS, interrupts.first).catch(() => {});
    if (interrupts.first.aborted) return await stopByInterrupt(lab, interrupts, io);
    const state = readLab(lab);
    if (state === undefined || state.stopped) return io.out('The lab was stopped.\n');
    for (const machine of state.machines) {
      if (shown.get(machine.number) === machine.state) continue;
      shown.set(machine.number, machine.state);
      io.out(`Machine ${machine.number} (${machine.address}) is ${machine.state}.\n`);
    }
  }
}

async function stopByInterrupt(lab: string, { again }: Interrupts, io: LabIo): Promise<void> {
  io.out('\n');
  await withLabLock(lab, io, async () => {
    const state = readLab(lab);
    if (state === undefined) return;
    again.addEventListener('abort', () => {
      for (const machine of state.machines) signalProcess(machine, 'SIGKILL');
    });
    await stopLab(lab, state, io);
  });
  io.out(`The lab is stopped; its units and data stay in ${lab} for the next \`${commandName(io.env)} lab up\`.\n`);
}
