/** The states of a service, in the order in which systemd's service.c declares them. */
export const SERVICE_STATES = [
  'dead',
  'start-pre',
  'start',
  'start-post',
  'running',
  'exited',
  'reload',
  'stop',
  'stop-sigterm',
  'stop-sigkill',
  'stop-post',
  'final-sigterm',
  'final-sigkill',
  'failed',
  'auto-restart',
] as const;
export type ServiceState = (typeof SERVICE_STATES)[number];

/** A target is only ever `dead` or `active`. */
export type UnitState = ServiceState | 'active';

/** systemd's states of any unit: the column ACTIVE, where the states above are SUB. */
export type ActiveState = 'active' | 'reloading' | 'inactive' | 'failed' | 'activating' | 'deactivating';

/** States in which a command of an Exec directive runs; each directive has its own. */
export type CommandState = 'start-pre' | 'start' | 'start-post' | 'reload' | 'stop' | 'stop-post';

/** States in which processes have been signalled and their end is awaited. */
export type SignalState = 'stop-sigterm' | 'stop-sigkill' | 'final-sigterm' | 'final-sigkill';

/** States that a service leaves only when it is started. */
export type EndState = 'dead' | 'failed';

const ACTIVE_STATES: Readonly<Record<UnitState, ActiveState>> = {
  dead: 'inactive',
  'start-pre': 'activating',
  start: 'activating',
  'start-post': 'activating',
  running: 'active',
  exited: 'active',
  reload: 'reloading',
  stop: 'deactivating',
  'stop-sigterm': 'deactivating',
  'stop-sigkill': 'deactivating',
  'stop-post': 'deactivating',
  'final-sigterm': 'deactivating',
  'final-sigkill': 'deactivating',
  failed: 'failed',
  'auto-restart': 'activating',
  active: 'active',
};

export function activeStateOf(state: UnitState): ActiveState {
  return ACTIVE_STATES[state];
}

/** True for a state that such a unit can have: a target is dead or active, a service never `active`. */
export function isStateOf(kind: 'service' | 'target', state: string): state is UnitState {
  if (kind === 'target') return state === 'dead' || state === 'active';
  return (SERVICE_STATES as readonly string[]).includes(state);
}

export function isUp(state: ActiveState): boolean {
  return state === 'active' || state === 'reloading';
}

export function isActiveOrActivating(state: ActiveState): boolean {
  return isUp(state) || state === 'activating';
}

export function isInactiveOrFailed(state: ActiveState): boolean {
  return state === 'inactive' || state === 'failed';
}

const SIGNAL_STATES: ReadonlySet<UnitState> = new Set<SignalState>([
  'stop-sigterm',
  'stop-sigkill',
  'final-sigterm',
  'final-sigkill',
]);

export function isSignalState(state: UnitState): state is SignalState {
  return SIGNAL_STATES.has(state);
}

/** True where FinalKillSignal= has been sent; before it, KillSignal= is. */
export function isKilled(state: SignalState): boolean {
  return state === 'stop-sigkill' || state === 'final-sigkill';
}
