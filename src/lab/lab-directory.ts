import path from 'node:path';

/** Paths in the lab's directory. They are short because the path of a unix socket must be. */
export const labPaths = {
  state: (lab: string): string => path.join(lab, 'lab.json'),
  lock: (lab: string): string => path.join(lab, 'lab.lock'),
  store: (lab: string): string => path.join(lab, 'store'),
  storeReady: (lab: string): string => path.join(lab, 'store.ready'),
  storeLog: (lab: string): string => path.join(lab, 'store.log'),
  machine: (lab: string, number: number): string => path.join(lab, `m${number}`),
} as const;

/** Paths in a machine's directory. */
export const machinePaths = {
  config: (machine: string): string => path.join(machine, 'fleet.conf'),
  log: (machine: string): string => path.join(machine, 'fleetd.log'),
  socket: (machine: string): string => path.join(machine, 'fleet.sock'),
  state: (machine: string): string => path.join(machine, 'state'),
  ready: (machine: string): string => path.join(machine, 'state', 'ready.json'),
  lease: (machine: string): string => path.join(machine, 'state', 'lease'),
  router: (machine: string): string => path.join(machine, 'state', 'router'),
  supervisor: (machine: string): string => path.join(machine, 'state', 'supervisor'),
} as const;

/** Matches the names of everything that a lab makes in its directory, for `lab down --wipe`. */
export const LAB_NAMES: RegExp = /^(lab\.json(\.new)?|lab\.lock.*|store|store\.(ready|log(\.1)?)|m\d+)$/;
