import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { FlotillaError, messageOf, readStateFile, replaceStateFile, systemReason } from '../lib/index.ts';
import { LAB_NAMES, labPaths } from './lab-directory.ts';
import { bootId, isAlive, type ProcessIdentity } from './process-identity.ts';
import { runningStore } from './store-keeper.ts';

/** `dead`: without power. `daemon-dead`: fleetd does not run, but the machine's units may. */
export type MachineState = 'up' | 'daemon-dead' | 'dead';

export interface LabMachine {
  readonly number: number;
  readonly id: string;
  readonly address: string;
  endpoint: string;
  /** The TCP port of its router; absent until its first start. */
  routerPort?: number;
  /** The port of its router for HTTPS. */
  routerTlsPort?: number;
  /** The ports of Consul's API and of DNS. */
  consulPort?: number;
  dnsPort?: number;
  /** Absent when the path would be too long for a socket. */
  socket?: string;
  readonly directory: string;
  /** Metadata of this machine alone, until it is set again. */
  metadata?: Readonly<Record<string, string>>;
  settings?: Readonly<Record<string, string>>;
  state: MachineState;
  /** The pid of fleetd; 0 while it does not run. */
  pid: number;
  startTime: number;
}

/** `lab.json`: written by the lab's commands only, read by fleetctl to find a machine. */
export interface LabState {
  readonly version: 1;
  /** The boot in which the processes below ran. */
  bootId: string;
  /** The preferred TCP port of every machine's API; a machine's `endpoint` names the one it got. */
  port: number;
  /** The value of --port-base, if given. */
  portBase?: number;
  agentTtl: string;
  /** The prefix of its keys: no machine of another lab, whose store has gone, can join this one's. */
  keyPrefix?: string;
  /** Metadata of all machines. */
  metadata?: Readonly<Record<string, string>>;
  /** Further settings of fleetd, by name, for all machines. */
  settings?: Readonly<Record<string, string>>;
  /** True when it was stopped deliberately. */
  stopped?: true;
  /** The process that is starting the lab; left behind when it was killed half-way. */
  starting?: ProcessIdentity;
  /** `keeper` restarts the store when it ends by itself. */
  store: { endpoint: string; pid: number; startTime: number; keeper?: ProcessIdentity };
  machines: LabMachine[];
}

const VERSION = 1;
/** The advice for a lab that cannot be repaired. */
export const WIPE_HINT: string = '`fleetctl lab down --wipe` throws this lab away, so that `lab up` starts a new one';

/**
 * Reads lab.json and corrects it by the processes that really run. Returns undefined when there is no lab. Throws
 * FlotillaError `damaged` when the file cannot be trusted.
 */
export function readLab(lab: string): LabState | undefined {
  const file = labPaths.state(lab);
  const text = readIfThere(file);
  if (text === undefined) {
    if (leftovers(lab).length === 0) return undefined;
    throw new FlotillaError('damaged', `${lab} holds a lab but its ${file} is missing: put it back, or ${WIPE_HINT}`);
  }
  const state = parseState(text, file);
  if (state.bootId !== bootId()) forgetProcesses(state);
  if (!isAlive(state.store)) Object.assign(state.store, runningStore(lab));
  for (const machine of state.machines) machine.state = actualState(machine);
  return state;
}

/** Replaces lab.json atomically: a concurrent reader sees the old or the new one. */
export function writeLab(lab: string, state: LabState): void {
  const file = labPaths.state(lab);
  mkdirSync(lab, { recursive: true, mode: 0o700 });
  replaceStateFile(file, `${JSON.stringify(state, undefined, 2)}\n`);
}

/** True while the store or any fleetd of the lab runs. */
export function isRunning(state: LabState): boolean {
  return (
    isAlive(state.store) || isAlive(state.store.keeper) || state.machines.some((machine) => machine.state === 'up')
  );
}

/** After a new boot no recorded process can run. */
function forgetProcesses(state: LabState): void {
  for (const target of [state.store, ...state.machines]) Object.assign(target, { pid: 0, startTime: 0 });
  for (const machine of state.machines) machine.state = 'dead';
  delete state.starting;
  delete state.store.keeper;
  state.bootId = bootId();
}

function actualState(machine: LabMachine): MachineState {
  if (isAlive(machine)) return 'up';
  return machine.state === 'dead' ? 'dead' : 'daemon-dead';
}

function parseState(text: string, file: string): LabState {
  let value: Partial<LabState>;
  try {
    value = JSON.parse(text) as Partial<LabState>;
  } catch (error) {
    // Quotes what stands in the file, which may have lines.
    const because = messageOf(error).replaceAll('\n', ' ');
    throw new FlotillaError('damaged', `${file} is damaged (${because}): mend it, or ${WIPE_HINT}`);
  }
  if (typeof value?.version === 'number' && value.version > VERSION)
    throw new FlotillaError('damaged', `${file} was written by a newer Flotilla: use that one, or ${WIPE_HINT}`);
  const wrong = firstWrong(value);
  if (wrong !== undefined)
    throw new FlotillaError('damaged', `${file} is damaged (${wrong}): mend it, or ${WIPE_HINT}`);
  return value as LabState;
}

/** Returns what is wrong with the value, in a few words. */
function firstWrong(value: Partial<LabState>): string | undefined {
  if (typeof value !== 'object' || value === null || value.version !== VERSION) return 'no version';
  if (typeof value.port !== 'number' || typeof value.agentTtl !== 'string') return 'no port or agentTtl';
  if (typeof value.store?.endpoint !== 'string' || typeof value.store.pid !== 'number') return 'no store';
  if (!Array.isArray(value.machines)) return 'no machines';
  const bad = value.machines.findIndex((machine) => !isMachine(machine));
  return bad < 0 ? undefined : `machine ${bad + 1} is incomplete`;
}

function isMachine(value: unknown): value is LabMachine {
  const machine = value as Partial<LabMachine> | null;
  return (
    typeof machine?.number === 'number' &&
    /^[0-9a-f]{32}$/.test(machine.id ?? '') &&
    [machine.address, machine.endpoint, machine.directory, machine.state].every((text) => typeof text === 'string') &&
    [machine.pid, machine.startTime].every((number) => typeof number === 'number')
  );
}

/** Lists what a lab has left in its directory besides lab.json. */
function leftovers(lab: string): string[] {
  if (!existsSync(lab)) return [];
  return readdirSync(lab).filter((name) => LAB_NAMES.test(name) && !name.startsWith('lab.'));
}

function readIfThere(file: string): string | undefined {
  try {
    return readStateFile(file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new FlotillaError('damaged', `${file} cannot be read (${systemReason(error)}): mend it, or ${WIPE_HINT}`);
  }
}
