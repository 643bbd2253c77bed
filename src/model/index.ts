/** The domain's data types. Each fact has exactly one writer, named in its comment. */

/** The state that the user wants for a unit. */
export type DesiredState = 'inactive' | 'loaded' | 'launched';

/** A placed unit is at least loaded. */
export type PlacedState = Exclude<DesiredState, 'inactive'>;

/**
 * What a unit needs from a machine, read from its [X-Fleet] section with specifiers expanded. Part of the unit's
 * record, so that the scheduler never reads the unit file.
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
  /** Globs of unit names; the unit takes over their machine. */
  readonly replaces: readonly string[];
  /** `stop`: the machine stops the unit before its lease can have ended for the rest of the cluster. */
  readonly onPartition: 'keep' | 'stop';
  /** After a successful end the unit is not started again until a user starts it. */
  readonly runOnce?: true;
}

/** A unit as its user wants it. Written by the API only, except for `ran`. */
export interface Unit {
  readonly name: string;
  /** SHA-1 of the serialised unit file, lower-case hex; also the key of its text. */
  readonly hash: string;
  readonly desired: DesiredState;
  readonly needs: Needs;
  /**
   * The last successful end of this file (RunOnce=true). Written by that machine's agent; starting the unit removes it.
   */
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
  /** The host name, which need not be unique; absent in the record of an older fleetd. */
  readonly name?: string;
  /** As configured on the machine; the cluster's views merge in overrides from the API. */
  readonly metadata: Readonly<Record<string, string>>;
  /**
   * Base URL at which other fleetds reach this one, e.g. `http://127.0.1.1:49153`; absent when it has no TCP listener.
   */
  readonly endpoint?: string;
  readonly resources: { readonly cores: number; readonly memoryBytes: number };
  readonly version: string;
  /** True in the last record before a machine leaves deliberately; absent in the record of an older fleetd. */
  readonly leaving?: boolean;
}

/** The leader's decision that a machine shall hold a unit. Written by the leader only, fenced. */
export interface Placement {
  readonly machine: string;
  readonly unit: string;
  readonly hash: string;
  readonly desired: PlacedState;
  /** The reason for this machine, as shown to users. */
  readonly reason: string;
  /** Copied from the unit's needs, so that the machine knows it while the store is unreachable. */
  readonly onPartition?: 'stop';
  /**
   * For a unit with RunOnce=true: whether it must still run (`due`), or has run and must not be started again (`done`).
   */
  readonly once?: 'due' | 'done';
}

/** The state of a unit on a machine. Written by that machine's agent only, under its lease. */
export interface UnitStatus {
  readonly machine: string;
  readonly unit: string;
  readonly hash: string;
  /** fleet's current state: `launched` from the first start on. */
  readonly state: PlacedState;
  /** LOAD, ACTIVE and SUB, exactly as systemd reports them. */
  readonly load: string;
  readonly active: string;
  readonly sub: string;
  /** The reason, in one sentence, why the machine could not load or start the unit; absent on success. */
  readonly note?: string;
  /** The end of its main process; only for a unit that failed or is about to be restarted. */
  readonly exit?: UnitExit;
  /**
   * The number of the start that this status describes: the store's revision that the machine knew when it started the
   * unit, so that later starts have greater numbers. Absent before the first start, and from an older fleetd.
   */
  readonly start?: number;
}

/**
 * The end of a service: systemd's Result= (exit-code, signal, timeout…) and its main process's exit status or signal.
 */
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
