import type { ExecPhase, ProcessExit, ServiceSpec } from '../spec/index.ts';
import type { CommandState, EndState, ServiceState } from './states.ts';
import type { ServiceResult } from './unit-memory.ts';

/** The kinds of events in a service's life, in the order of the table's columns. */
export const EVENT_TYPES = [
  'start',
  'stop',
  'reload',
  'ready',
  'stopping',
  'launched',
  'not-launched',
  'main-ended',
  'control-ended',
  'timed-out',
  'look',
] as const;
export type EventType = (typeof EVENT_TYPES)[number];

export type ServiceEvent =
  /** A job asks for it. `tooOften`: StartLimitBurst= is used up. */
  | { readonly type: 'start'; readonly tooOften: boolean }
  | { readonly type: 'stop' }
  | { readonly type: 'reload' }
  /** The service itself sent READY=1 or STOPPING=1; sd_notify(3). */
  | { readonly type: 'ready' }
  | { readonly type: 'stopping' }
  /** A `run` succeeded or failed; the state is the one that the run was to enter. */
  | { readonly type: 'launched' }
  | { readonly type: 'not-launched' }
  /** A process has ended; it was command `index` of its directive. */
  | { readonly type: 'main-ended'; readonly index: number; readonly result: ServiceResult }
  | {
      readonly type: 'control-ended';
      readonly phase: ExecPhase;
      readonly index: number;
      readonly result: ServiceResult;
    }
  /** The state has lasted as long as it may. */
  | { readonly type: 'timed-out' }
  /** Time to look after what nobody reports: processes that are not our children, files, control groups. */
  | { readonly type: 'look' };

export type EventOf<T extends EventType> = Extract<ServiceEvent, { readonly type: T }>;

/** Everything a transition may depend on. The functions read /proc or files: only the transition that needs them pays. */
export interface ServiceFacts {
  readonly spec: ServiceSpec;
  /** The first thing that went wrong in this run. */
  readonly result: ServiceResult;
  /** The exit of the last main process of this run. */
  readonly mainExit: ProcessExit | null;
  readonly stopRequested: boolean;
  /** A restart was asked for, so that RestartKillSignal= counts. */
  readonly isRestarting: boolean;
  /** A main process runs. */
  readonly main: boolean;
  /** A main process runs or has run. */
  readonly mainKnown: boolean;
  /** Another command's process runs. */
  readonly control: boolean;
  /** Any process of the unit lives. */
  isAnyLeft(): boolean;
  /** The main process runs the program, and no longer the shell that prepares for it. */
  hasExecuted(): boolean;
  /** The process of the unit that PIDFile= names. */
  pidInFile(): number | undefined;
  /** The process of the unit that seems to be its main one. */
  guessedPid(): number | undefined;
}

export type ServiceAction =
  /** A line in the unit's log, after its name. */
  | { readonly do: 'say'; readonly text: string }
  /** Begins a run: a new invocation, nothing known of the one before. */
  | { readonly do: 'begin' }
  /** Starts a command. Always the last action of a step; its outcome is the next event. */
  | { readonly do: 'run'; readonly phase: ExecPhase; readonly index: number }
  /** Makes a process that is not our child the main one. */
  | { readonly do: 'adopt-main'; readonly pid: number }
  /** Signals main and control process, with `group` all others too; `newcomers`: only processes not signalled in this state. */
  | { readonly do: 'signal'; readonly signal: number; readonly group: boolean; readonly to: 'all' | 'newcomers' }
  | { readonly do: 'kill-control' }
  /** Ends the run: removes PIDFile= and the empty control group. */
  | { readonly do: 'end'; readonly restarts: boolean }
  /** Asks for the restart that `auto-restart` has waited for. */
  | { readonly do: 'restart' };

/** The consequence of an event: actions in their order, then a change of state. */
export interface ServiceStep {
  /** The state to enter. The present one is entered anew: its time limit begins again. None: the service stays. */
  readonly state?: ServiceState;
  /** A state to enter before `state`: other units see the run end before the restart is scheduled. */
  readonly via?: EndState;
  /** The result of the run from here on. */
  readonly result?: ServiceResult;
  readonly actions: readonly ServiceAction[];
}

export const STAY: ServiceStep = { actions: [] };

export const STATE_OF_PHASE: Readonly<Record<ExecPhase, CommandState>> = {
  ExecStartPre: 'start-pre',
  ExecStart: 'start',
  ExecStartPost: 'start-post',
  ExecReload: 'reload',
  ExecStop: 'stop',
  ExecStopPost: 'stop-post',
};

export function say(text: string): ServiceAction {
  return { do: 'say', text };
}

export function enter(
  state: ServiceState,
  { result }: ServiceFacts,
  ...actions: readonly ServiceAction[]
): ServiceStep {
  return { state, result, actions };
}

export function stay({ result }: ServiceFacts, ...actions: readonly ServiceAction[]): ServiceStep {
  return { result, actions };
}

/** Runs a command and, once it is launched, enters the state that goes with it. */
export function run(phase: ExecPhase, index: number, facts: ServiceFacts): ServiceStep {
  return enter(STATE_OF_PHASE[phase], facts, { do: 'run', phase, index });
}

/** Returns the step with other actions before its own. */
export function after(step: ServiceStep, ...actions: readonly ServiceAction[]): ServiceStep {
  return { ...step, actions: [...actions, ...step.actions] };
}

/** Returns the facts with this failure in them: the first failure of a run is its result. */
export function blame(facts: ServiceFacts, result: ServiceResult): ServiceFacts {
  return facts.result === 'success' ? { ...facts, result } : facts;
}

/** Runs the phase's next command; undefined when the ended one failed, was the last, or belongs to another phase. */
export function nextCommand(
  facts: ServiceFacts,
  phase: ExecPhase,
  ended: EventOf<'control-ended'>,
): ServiceStep | undefined {
  const isNext = ended.phase === phase && ended.result === 'success' && ended.index + 1 < facts.spec.exec[phase].length;
  return isNext ? run(phase, ended.index + 1, facts) : undefined;
}
