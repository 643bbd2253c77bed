import type { LogStream } from '../journal/index.ts';
import type { ProcessId } from '../process/index.ts';
import type { ExecPhase, ProcessExit } from '../spec/index.ts';
import { isStateOf, type UnitState } from './states.ts';

/** Why a service ended, in systemd's words. */
export type ServiceResult =
  | 'success'
  | 'resources'
  | 'protocol'
  | 'timeout'
  | 'exit-code'
  | 'signal'
  | 'start-limit-hit';

export type JobType = 'start' | 'stop' | 'restart' | 'reload';

/** A process the unit waits for. An alien is not our child: it forked away, or an earlier supervisor started it. */
export interface WatchedProcess extends ProcessId {
  readonly alien: boolean;
  /** Which command it came of. */
  readonly phase: ExecPhase;
  readonly index: number;
}

/** One command of the present run, for status. */
export interface CommandRun {
  readonly phase: ExecPhase;
  readonly text: string;
  readonly pid: number;
  readonly startedAt: number;
  exit?: ProcessExit;
  endedAt?: number;
}

export interface OpenStream {
  /** 0: of the process that is just being started, or that could not be started. */
  readonly pid: number;
  readonly fifo: string;
  readonly stream: LogStream;
  readonly identifier: string;
}

/**
 * All that a unit knows of its own past and present. It is written to the volatile state on every change, so that the
 * next supervisor process goes on where this one ends, wherever that is.
 */
export interface UnitMemory {
  readonly name: string;
  readonly hash: string;
  launched: boolean;
  state: UnitState;
  result: ServiceResult;
  invocationId: string;
  main: WatchedProcess | null;
  control: WatchedProcess | null;
  /** The command that is just being started: set before there is a pid. */
  spawning: { readonly phase: ExecPhase; readonly index: number } | null;
  /** The exit of the last main process of this run. */
  mainExit: ProcessExit | null;
  /** The last main pid of this run, also after its end. */
  mainPid: number;
  runs: CommandRun[];
  /** Milliseconds since 1970; 0 is never. */
  stateSince: number;
  activeSince: number;
  activeUntil: number;
  restarts: number;
  /** The next start begins counting restarts anew. */
  restartsOver: boolean;
  startWindow: { begin: number; count: number };
  /** When the present state times out, or auto-restart is over. */
  deadline: number | null;
  stopRequested: boolean;
  statusText: string;
  streams: OpenStream[];
  job: JobType | null;
}

export function newMemory(name: string, hash: string): UnitMemory {
  return {
    name,
    hash,
    launched: false,
    state: 'dead',
    result: 'success',
    invocationId: '',
    main: null,
    control: null,
    spawning: null,
    mainExit: null,
    mainPid: 0,
    runs: [],
    stateSince: 0,
    activeSince: 0,
    activeUntil: 0,
    restarts: 0,
    restartsOver: true,
    startWindow: { begin: 0, count: 0 },
    deadline: null,
    stopRequested: false,
    statusText: '',
    streams: [],
    job: null,
  };
}

/** Reads the record of a unit; undefined where a field has another type than today. A field that is missing is as in a new unit. */
export function readMemory(text: string): UnitMemory | undefined {
  let value: Partial<UnitMemory> | null;
  try {
    value = JSON.parse(text) as Partial<UnitMemory> | null;
  } catch {
    return undefined;
  }
  if (typeof value?.name !== 'string' || typeof value.hash !== 'string') return undefined;
  const model = newMemory(value.name, value.hash);
  const memory = { ...model, ...value };
  const isAlike = (Object.keys(model) as (keyof UnitMemory)[]).every(
    (key) => model[key] === null || kindOf(memory[key]) === kindOf(model[key]),
  );
  return isAlike && isSound(memory) ? memory : undefined;
}

/** Of a record whose fields are of the right types but where they may be null, or hold others. */
function isSound(memory: UnitMemory): boolean {
  const { name, state, main, control, spawning, mainExit, deadline, job, streams, runs, startWindow } = memory;
  const has = (value: object | null, shape: object) =>
    Object.entries(shape).every(([key, type]) => typeof (value as Record<string, unknown> | null)?.[key] === type);
  const command = { phase: 'string', index: 'number' };
  const process = { ...command, pid: 'number', startTime: 'number', alien: 'boolean' };
  return (
    isStateOf(name.endsWith('.target') ? 'target' : 'service', state) &&
    [main, control].every((one) => one === null || has(one, process)) &&
    (spawning === null || has(spawning, command)) &&
    (mainExit === null || has(mainExit, { code: 'string', status: 'number' })) &&
    (deadline === null || typeof deadline === 'number') &&
    (job === null || ['start', 'stop', 'restart', 'reload'].includes(job)) &&
    streams.every((stream) => has(stream, { pid: 'number', fifo: 'string', stream: 'string', identifier: 'string' })) &&
    runs.every((run) => has(run, { phase: 'string', text: 'string', pid: 'number', startedAt: 'number' })) &&
    has(startWindow, { begin: 'number', count: 'number' })
  );
}

function kindOf(value: unknown): string {
  if (value === null) return 'null';
  return Array.isArray(value) ? 'array' : typeof value;
}

/** Of a unit of which nothing is known any more but its name: whatever runs of it is stopped, and its file's hash is no file's. */
export function unknownMemory(name: string): UnitMemory {
  return {
    ...newMemory(name, ''),
    launched: true,
    state: name.endsWith('.target') ? 'active' : 'running',
    job: 'stop',
  };
}

/** See LoadedUnit.succeeded. */
export function hasSucceeded({ launched, job, state, result, invocationId, stopRequested }: UnitMemory): boolean {
  if (!launched || job !== null || result !== 'success' || stopRequested) return false;
  return state === 'exited' || (state === 'dead' && invocationId !== '');
}
