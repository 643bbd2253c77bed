import type {
  DesiredState,
  ExternalNode,
  Machine,
  NodeCheck,
  Placement,
  ServiceInstance,
  Unit,
  UnitStatus,
} from '../model/index.ts';
import type { Condition, Lease } from '../store/index.ts';
import type { History } from './history.ts';
import type { CatalogChange, CatalogRecords, CertificateChange, CertificateRecords, View } from './snapshot.ts';

export type { Lease };

/**
 * The cluster's records in the store: typed reads and fenced writes. The only place that knows the keys.
 * Every method rejects with FlotillaError `unavailable` while the store cannot be reached.
 */
export interface Cluster {
  // ---- the API writes these
  /**
   * Creates the unit or replaces its file and desired state, text and record in one commit. `existing` is the record
   * the caller decided upon (undefined: must not exist); `false` when it has changed meanwhile: read again.
   * `submitted` is the file as the user wrote it, where that differs from `text`: for people only, machines load `text`.
   */
  putUnit(unit: Unit, text: string, existing: Unit | undefined, submitted?: string): Promise<boolean>;
  /** Changes only the desired state, and forgets that the unit ran once; false when there is no such unit. */
  setDesired(name: string, desired: DesiredState): Promise<boolean>;
  /** Removes the unit and its text in one commit; false when there is no such unit. */
  destroyUnit(name: string): Promise<boolean>;
  /**
   * Unit file texts (serialised form) by hash. A text that is not there, or whose unit has another hash by now, is left
   * out. Units of one template share a hash: name one of them per hash.
   */
  texts(units: readonly { readonly name: string; readonly hash: string }[]): Promise<ReadonlyMap<string, string>>;
  /** The unit's file as submitted; undefined where that is the serialised form, and while the unit has another hash. */
  submittedText(unit: { readonly name: string; readonly hash: string }): Promise<string | undefined>;
  /** Overrides (string) or removals (undefined) of machine metadata, which outlive the machine's presence. */
  setMetadata(changes: readonly { machine: string; key: string; value: string | undefined }[]): Promise<void>;
  /** Stores a certificate with its chain and key, in PEM, in the place of the one of that name; true when there was none. */
  putCertificate(name: string, pem: string): Promise<boolean>;
  /** False when there is none of that name. */
  removeCertificate(name: string): Promise<boolean>;
  /** All of them by name, each with its chain and key, in PEM: for nobody's eyes. */
  certificates(): Promise<ReadonlyMap<string, string>>;
  /** The secret that fleetds show each other; made by whoever asks first. */
  secret(): Promise<string>;

  // ---- views
  /** Units, machines, placements and leader: what the leader needs. */
  engineView(signal: AbortSignal): Promise<View>;
  /** Machines and leader only: what a candidate needs. */
  candidateView(signal: AbortSignal): Promise<View>;
  /** Everything: what the API shows. */
  fullView(signal: AbortSignal): Promise<View>;
  /** One machine's placements. */
  agentView(machine: string, signal: AbortSignal): Promise<View>;
  /** Machines, external nodes, service instances and checks: what every machine's catalog shows. */
  catalogView(signal: AbortSignal): Promise<View<CatalogRecords, CatalogChange>>;
  /** The certificates of all machines' routers. */
  certificateView(signal: AbortSignal): Promise<View<CertificateRecords, CertificateChange>>;
  /** What the last `limit` revisions changed, as far as the store still keeps them. Ends by itself: it is no watch. */
  history(limit: number, signal: AbortSignal): Promise<History>;

  // ---- a machine writes these under its lease
  /** Grants the lease that everything of a machine hangs on. */
  lease(ttlMs: number): Promise<Lease>;
  /** Takes up the lease an earlier fleetd of this machine held; undefined when it has ended. */
  resumeLease(id: string): Promise<Lease | undefined>;
  /**
   * Announces the machine under its lease. `token` is random and kept on the machine's disk: a record left by an earlier
   * life of the same machine (same token, same address) is taken over at once and its lease revoked, which makes what
   * else hung on it vanish. `taken`: another live fleetd holds this machine id. The record is written even when nothing
   * in it has changed: each announcement has its own fence, and what was sent under an earlier one is refused.
   */
  announce(machine: Machine, token: string, lease: Lease): Promise<Announcement | 'taken'>;
  /** What this machine has published and is still there, by unit. */
  statusesOf(announcement: Announcement): Promise<Published<UnitStatus>>;
  /**
   * Writes (or, with `status` undefined, removes) statuses of the announced machine in as few commits as possible.
   * Rejects with `conflict` when that announcement no longer stands.
   */
  putStatuses(announcement: Announcement, changes: ReadonlyMap<string, UnitStatus | undefined>): Promise<void>;
  /** Of these units, by name: whether this file has ended with success once (RunOnce=true), and the record's revision. */
  ranOnce(units: readonly { readonly name: string; readonly hash: string }[]): Promise<ReadonlyMap<string, OnceRun>>;
  /**
   * Writes down that the unit, which is placed on the announced machine, has ended with success there. `unwanted`: nothing is
   * written, since it is no longer that file, wanted launched, yet to run, and placed there. `outdated`: its record is no
   * longer that of `revision`, by which it was started, so its user has asked for it again. Rejects with `conflict` when the
   * announcement no longer stands.
   */
  recordRun(
    announcement: Announcement,
    run: { readonly name: string; readonly hash: string; readonly revision?: number | undefined },
  ): Promise<RunRecord>;
  /** The same of its service instances, by their ids. */
  instancesOf(announcement: Announcement): Promise<Published<ServiceInstance>>;
  putInstances(announcement: Announcement, changes: ReadonlyMap<string, ServiceInstance | undefined>): Promise<void>;

  /** The same of the checks of the machine as a whole. */
  checksOf(announcement: Announcement): Promise<Published<NodeCheck>>;
  putChecks(announcement: Announcement, changes: ReadonlyMap<string, NodeCheck | undefined>): Promise<void>;

  // ---- whoever knows of a computer without fleetd writes these, on whatever machine
  /**
   * Registers an external node, an instance there and checks, in one commit; what is as it says already is not written.
   * Throws `invalid` when a check names an instance that is not there.
   */
  registerExternal(registration: ExternalRegistration): Promise<void>;
  /**
   * Takes back an instance of an external node with its checks, else a check, else (neither is named) the node with all it
   * has. What is not there is no error.
   */
  deregisterExternal(what: { readonly node: string; readonly service: string; readonly check: string }): Promise<void>;

  // ---- leadership
  /** Begins a new term as leader under the machine's lease; undefined while somebody else leads. */
  campaign(machine: string, lease: Lease): Promise<Leadership | undefined>;
}

/** What is said of an external node at once. */
export interface ExternalRegistration {
  readonly node: ExternalNode;
  /** A node that is there already stays as it is. */
  readonly keepNode: boolean;
  /** Its checks stand in `checks`. */
  readonly instance?: Omit<ServiceInstance, 'machine' | 'checks'>;
  /** MAX_EXTERNAL_CHECKS at most; others of the node stay as they are. */
  readonly checks: readonly NodeCheck[];
}

/** What one commit can be conditional on: each check, and the instance that it names. */
export const MAX_EXTERNAL_CHECKS = 60;

/**
 * What a machine has published: undefined for what hangs on another lease than its announcement's, with which it will
 * vanish whatever it says, and for what cannot be read.
 */
export type Published<T> = ReadonlyMap<string, T | undefined>;

/** See Cluster.ranOnce. */
export interface OnceRun {
  readonly ran: boolean;
  readonly revision: number;
}

/** See Cluster.recordRun. */
export type RunRecord = 'done' | 'unwanted' | 'outdated';

/** A machine's presence from one announcement to the next. */
export interface Announcement {
  readonly machine: string;
  readonly lease: Lease;
  /** Holds as long as nobody has announced this machine since, and its lease lasts. */
  readonly fence: Condition;
}

/**
 * One term of a leader. Its fence is part of every engine write, so that the store refuses a deposed leader, and what a
 * former term of the same machine left in the network. Within a term commits follow one another; when the outcome of one
 * is unknown the term is over.
 */
export interface Leadership {
  readonly fence: Condition;
  /** Applies placements in one commit; returns its revision, undefined when no longer leader (nothing was written). */
  place(writes: readonly PlacementWrite[]): Promise<number | undefined>;
  /** Writes down when a machine was found gone, which its lease does not tell. */
  noteLost(machine: string): Promise<void>;
  /** Gives leadership up at once. */
  resign(): Promise<void>;
}

export type PlacementWrite =
  | { readonly put: Placement }
  | { readonly remove: { readonly machine: string; readonly unit: string } };
