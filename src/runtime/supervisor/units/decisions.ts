import {
  type ExecCommand,
  inExitSet,
  isCleanExit,
  NO_EXITS,
  type ProcessExit,
  type ServiceSpec,
} from '../spec/index.ts';
import type { ServiceResult, UnitMemory } from './unit-memory.ts';

/** What the exit of a service's main process means for the service. */
export function mainResult(spec: ServiceSpec, exit: ProcessExit, command: ExecCommand | undefined): ServiceResult {
  const kind = spec.type === 'oneshot' ? 'command' : 'daemon';
  if (isCleanExit(exit, kind, spec.successExit) || command?.ignoreFailure) return 'success';
  return failureOf(exit);
}

/** What the exit of any other command of a service means for it. */
export function controlResult(exit: ProcessExit, command: ExecCommand | undefined): ServiceResult {
  return isCleanExit(exit, 'command', NO_EXITS) || command?.ignoreFailure ? 'success' : failureOf(exit);
}

function failureOf(exit: ProcessExit): ServiceResult {
  return exit.code === 'killed' ? 'signal' : 'exit-code';
}

/** Whether a service that has just ended is to be started again; systemd.service(5), Restart=. */
export function shouldRestart(spec: ServiceSpec, memory: UnitMemory): boolean {
  if (memory.stopRequested) return false;
  const exit = memory.mainExit;
  if (exit !== null && inExitSet(spec.restartPreventExit, exit)) return false;
  if (exit !== null && inExitSet(spec.restartForceExit, exit)) return true;
  const { result } = memory;
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

/** Counts one more start; false when there were too many within the interval. */
export function admitStart(
  memory: UnitMemory,
  limit: { readonly intervalMs: number; readonly burst: number },
  now: number,
): boolean {
  if (limit.intervalMs <= 0 || limit.burst <= 0) return true;
  const window = memory.startWindow;
  if (window.begin === 0 || now < window.begin || now - window.begin >= limit.intervalMs) {
    memory.startWindow = { begin: now, count: 1 };
    return true;
  }
  if (window.count >= limit.burst) return false;
  window.count++;
  return true;
}
