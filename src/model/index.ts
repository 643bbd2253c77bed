/** The words of the system as plain data. Each fact has exactly one writer, named in its comment. */

/** What the user wants of a unit. */
export type DesiredState = 'inactive' | 'loaded' | 'launched';

/** A placed unit is at least loaded. */
export type PlacedState = Exclude<DesiredState, 'inactive'>;

/**
 * What a unit asks of a machine, read from its [X-Fleet] section with specifiers expanded. Kept in the unit's record,
 * so that whoever schedules never needs the text.
 */
export interface Needs {
  /** Full machine id or a unique prefix of one. */
  readonly machineId?: string;
  /** Unit names, all of which must be placed on the machine. */
  readonly machineOf: readonly string[];
  /** Key → accepted values: values of one key are OR-ed, keys are AND-ed. */
  readonly metadata: Readonly<Record<string, readonly string[]>>;
  /** Globs of unit names that must not share the machine; works in both directions. */
  readonly conflicts: readonly string[];
  /** Runs on every machine that qualifies. */
  readonly global: boolean;
  /** Globs of unit names whose machine is taken over. */
  readonly replaces: readonly string[];
  /** `stop`: the machine stops the unit before its lease can have ended elsewhere. */
  readonly onPartition: 'keep' | 'stop';
  /** Once it has ended with success it is not started again until a user says so. */
  readonly runOnce?: true;
}

/** A unit as its user wants it. Written by the API only, but for `ran`. */
export interface Unit {
  readonly name: string;
  /** SHA-1 of the serialised unit file, lower-case hex; also the key of its text. */
  readonly hash: string;
  readonly desired: DesiredState;
  readonly needs: Needs;
  /** Where this file has ended with success (RunOnce=true); written by that machine's agent, removed by whoever starts it. */
  readonly ran?: RanOnce;
}

/** A run that ended with success; `atMs` is in milliseconds since 1970. */
export interface RanOnce {
  readonly machine: string;
  readonly atMs: number;
}

/** A machine that is alive now. Written by its own fleetd, under its lease. */
export interface Machine {
  readonly id: string;
  /** The address shown to users (fleet's primaryIP). */
  readonly address: string;
  /** Its host name, which need not be unique; absent in the record of an older fleetd. */
  readonly name?: string;
  /** As the machine itself states it; overrides from the API are merged in by the cluster's views. */
  readonly metadata: Readonly<Record<string, string>>;
  /** Base URL other fleetds reach this one at, e.g. `http://127.0.1.1:49153`; absent when it listens on no TCP port. */
  readonly endpoint?: string;
  readonly resources: { readonly cores: number; readonly memoryBytes: number };
  readonly version: string;
  /** True in its last word before it leaves by itself; absent in the record of an older fleetd, which does not say. */
  readonly leaving?: boolean;
}

/** The leader's decision that a machine shall hold a unit. Written by the leader only, fenced. */
export interface Placement {
  readonly machine: string;
  readonly unit: string;
  readonly hash: string;
  readonly desired: PlacedState;
  /** Why here, in words a user is shown. */
  readonly reason: string;
  /** Copied from the unit's needs, so that the machine knows it even while it cannot reach the store. */
  readonly onPartition?: 'stop';
  /** Of a unit with RunOnce=true: whether it is still to run, or has and must not be started again. */
  readonly once?: 'due' | 'done';
}

/** What a unit is doing on a machine. Written by the agent of that machine only, under its lease. */
export interface UnitStatus {
  readonly machine: string;
  readonly unit: string;
  readonly hash: string;
  /** fleet's current state: `launched` once start has been called. */
  readonly state: PlacedState;
  /** systemd's LOAD, ACTIVE and SUB, as they are. */
  readonly load: string;
  readonly active: string;
  readonly sub: string;
  /** Why the machine could not load or start it, in one sentence; absent when all is well. */
  readonly note?: string;
  /** How its main process ended; only of a unit that failed or is about to be started again. */
  readonly exit?: UnitExit;
  /**
   * Of which start it speaks: the store's revision that the machine had seen when it started the unit last, so that a
   * later start has a greater one. Absent before the first, and from a fleetd that does not tell it.
   */
  readonly start?: number;
}

/** How a service ended: systemd's Result= (exit-code, signal, timeout…), and its main process' exit status or signal. */
export interface UnitExit {
  readonly result: string;
  readonly status?: number;
  readonly signal?: number;
}

export const NO_NEEDS: Needs = {
  machineOf: [],
  metadata: {},
  conflicts: [],
  global: false,
  replaces: [],
  onPartition: 'keep',
};

export * from './command-variables.ts';
export * from './glob.ts';
export * from './questions.ts';
export type * from './registration.ts';
export * from './service.ts';
