import {
  type ExecCommand,
  inExitSet,
  isCleanExit,
  NO_EXITS,
  type ProcessExit,
  type ServiceSpec,
} from '../spec/index.ts';
import type { ActiveState } from './states.ts';
import type { ServiceResult, UnitMemory } from './unit-memory.ts';

/** Returns what the exit of the main process means for the service. */
export function mainResult(
  spec: ServiceSpec,
  exit: ProcessExit,
  of: { readonly command: ExecCommand | undefined; readonly active: ActiveState },
): ServiceResult {
  const { command, active } = of;
  // A process that was told to end and is gone has obeyed, also when nobody saw its exit.
  if (exit.code === 'unknown' && active === 'deactivating') return 'success';
  const kind = spec.type === 'oneshot' ? 'command' : 'daemon';
  if (isCleanExit(exit, kind, spec.successExit) || command?.ignoreFailure) return 'success';
  return failureOf(exit);
}

/** Returns what the exit of any other command means for the service. */
export function controlResult(exit: ProcessExit, command: ExecCommand | undefined): ServiceResult {
  return isCleanExit(exit, 'command', NO_EXITS) || command?.ignoreFailure ? 'success' : failureOf(exit);
}

function failureOf(exit: ProcessExit): ServiceResult {
  return exit.code === 'killed' ? 'signal' : 'exit-code';
}

/** True when Restart= asks for another start of a service that has just ended; systemd.service(5). */
export function shouldRestart(
  spec: ServiceSpec,
  run: Readonly<Pick<UnitMemory, 'stopRequested' | 'mainExit' | 'result'>>,
): boolean {
  if (run.stopRequested) return false;
  const exit = run.mainExit;
  if (exit !== null && inExitSet(spec.restartPreventExit, exit)) return false;
  if (exit !== null && inExitSet(spec.restartForceExit, exit)) return true;
  const { result } = run;
  switch (spec.restart) {
    case 'always':
      return true;
    case 'on-success':
      return result === 'success';
    case 'on-failure':
      return result !== 'success';
    case 'on-abnormal':
      return result !== 'success' && result !== 'exit-code';
    case 'on-abort':
      return result === 'signal';
    // A watchdog needs systemd, so it never bites.
    case 'on-watchdog':
    case 'no':
      return false;
  }
}

/** Returns the window with one more start in it; undefined when there were too many within the interval. */
export function countStart(
  window: UnitMemory['startWindow'],
  limit: { readonly intervalMs: number; readonly burst: number },
  now: number,
): UnitMemory['startWindow'] | undefined {
  if (limit.intervalMs <= 0 || limit.burst <= 0) return window;
  const { begin, count } = window;
  if (begin === 0 || now < begin || now - begin >= limit.intervalMs) return { begin: now, count: 1 };
  return count < limit.burst ? { begin, count: count + 1 } : undefined;
}
