import {
  EXEC_PHASES,
  type ExecCommand,
  type ExecPhase,
  type KillSpec,
  NO_EXITS,
  type ServiceSpec,
} from '../spec/index.ts';
import type { ServiceFacts } from './service-step.ts';

const KILL_SIGNAL = 15;
const RESTART_SIGNAL = 1;
const FINAL_SIGNAL = 9;

const COMMAND: ExecCommand = { path: '/bin/true', args: [], ignoreFailure: false, literal: false, privileged: false };

function commands(count: (phase: ExecPhase) => number): ServiceSpec['exec'] {
  const entries = EXEC_PHASES.map((phase) => [phase, Array<ExecCommand>(count(phase)).fill(COMMAND)] as const);
  return Object.fromEntries(entries) as unknown as ServiceSpec['exec'];
}

/** A service with one command in each directive, Type=simple. */
export const SPEC: ServiceSpec = {
  type: 'simple',
  remainAfterExit: false,
  guessMainPid: true,
  exec: commands(() => 1),
  restart: 'no',
  restartMs: 100,
  successExit: NO_EXITS,
  restartPreventExit: NO_EXITS,
  restartForceExit: NO_EXITS,
  timeoutStartMs: 90_000,
  timeoutStopMs: 90_000,
  runtimeMaxMs: Number.POSITIVE_INFINITY,
  kill: {
    mode: 'control-group',
    signal: KILL_SIGNAL,
    restartSignal: RESTART_SIGNAL,
    finalSignal: FINAL_SIGNAL,
    sendSigkill: true,
    sendSighup: false,
  },
  context: {} as ServiceSpec['context'],
};

export const FACTS: ServiceFacts = {
  spec: SPEC,
  result: 'success',
  mainExit: null,
  stopRequested: false,
  isRestarting: false,
  main: true,
  mainKnown: true,
  control: false,
  isAnyLeft: () => true,
  hasExecuted: () => false,
  pidInFile: () => undefined,
  guessedPid: () => undefined,
};

/** Returns another spec: `counts` commands in each directive, one ExecStart= and no others by default. */
export function specWith(
  counts: Readonly<Partial<Record<ExecPhase, number>>>,
  rest: Partial<ServiceSpec> = {},
  kill: Partial<KillSpec> = {},
): { readonly spec: ServiceSpec } {
  const exec = commands((phase) => counts[phase] ?? (phase === 'ExecStart' ? 1 : 0));
  return { spec: { ...SPEC, exec, ...rest, kill: { ...SPEC.kill, ...kill } } };
}
