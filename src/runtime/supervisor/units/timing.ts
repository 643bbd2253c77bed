import type { ServiceSpec } from '../spec/index.ts';
import { type ActiveState, isSignalState, type ServiceState } from './states.ts';

/** Returns how long a service may stay in a state; Infinity is no limit. */
export function timeLimitMs(state: ServiceState, spec: ServiceSpec): number {
  switch (state) {
    case 'start-pre':
    case 'start':
    case 'start-post':
    case 'reload':
      return spec.timeoutStartMs;
    case 'running':
      return spec.runtimeMaxMs;
    case 'stop':
    case 'stop-sigterm':
    case 'stop-sigkill':
    case 'stop-post':
    case 'final-sigterm':
    case 'final-sigkill':
      return spec.timeoutStopMs;
    case 'auto-restart':
      return spec.restartMs;
    case 'dead':
    case 'exited':
    case 'failed':
      return Number.POSITIVE_INFINITY;
  }
}

/** The processes whose end a service awaits, and whether the system reports it. */
export interface WatchFacts {
  readonly main: boolean;
  readonly mainKnown: boolean;
  readonly control: boolean;
  /** One of the two is not our child: the system does not report its end to us. */
  readonly hasAlien: boolean;
}

const ALIEN_LOOK_MS = 500;
const THOROUGH_LOOK = 10;

/** Returns the milliseconds until the next look; undefined while the system reports every end. `looks`: taken in this state. */
export function lookDelayMs(state: ServiceState, spec: ServiceSpec, of: WatchFacts & { readonly looks: number }) {
  const { main, mainKnown, control, hasAlien, looks } = of;
  const soonMs = Math.min(100, 4 * 2 ** Math.min(looks, 5));
  const nobody = !main && !control;
  if (isSignalState(state)) return hasAlien || nobody ? soonMs : undefined;
  if (state === 'start' && (spec.type === 'exec' || nobody)) return soonMs;
  return hasAlien || (state === 'running' && !main && !mainKnown) ? ALIEN_LOOK_MS : undefined;
}

/** Most looks ask only whether the pid exists. Comparing start times costs a read of /proc: near the end, and now and then. */
export function isThorough(active: ActiveState, looks: number): boolean {
  return active === 'deactivating' || looks % THOROUGH_LOOK === 0;
}
