/**
 * The shapes of the HTTP API (prefix /fleet/v1, also /v1-alpha). The first group is fleet's own, field for field; the
 * second is Flotilla's. Types only: importing this costs the client nothing.
 */
import type { UnitOption } from '../unitfile/unit-file.ts';

export type ApiState = 'inactive' | 'loaded' | 'launched';

/** GET /units/N, and the elements of GET /units. */
export interface ApiUnit {
  readonly name: string;
  readonly options: readonly UnitOption[];
  readonly desiredState: ApiState;
  /** Absent for a global unit. */
  readonly currentState?: ApiState;
  /** Absent while not placed, and for a global unit. */
  readonly machineID?: string;
  /** Ours, of GET /units/N?submitted=true only: the file as submitted, where it differs from the options serialised. */
  readonly submitted?: string;
}

/** PUT /units/N. `options` may be absent when only the desired state changes. */
export interface ApiUnitPut {
  readonly name?: string;
  readonly desiredState?: ApiState;
  readonly options?: readonly UnitOption[];
  /** Ours: the file that `options` were read from, comments included, for people to read; 400 when it has other options. */
  readonly submitted?: string;
}

export interface ApiUnitState {
  readonly name: string;
  readonly hash: string;
  readonly machineID: string;
  readonly systemdLoadState: string;
  readonly systemdActiveState: string;
  readonly systemdSubState: string;
  /** Ours, with `?all=true` only: the unit was destroyed, and its machine is about to stop it. */
  readonly destroyed?: true;
}

export interface ApiMachine {
  readonly id: string;
  readonly primaryIP: string;
  readonly metadata: Readonly<Record<string, string>>;
  /** Ours; absent of a machine with an older fleetd. */
  readonly hostname?: string;
  readonly version?: string;
}

/** `nextPageToken` is absent on the last page, and always with `?all=true` (ours: the whole list at once). */
export type ApiUnitPage = { readonly units: readonly ApiUnit[]; readonly nextPageToken?: string };
export type ApiStatePage = { readonly states: readonly ApiUnitState[]; readonly nextPageToken?: string };
export type ApiMachinePage = { readonly machines: readonly ApiMachine[]; readonly nextPageToken?: string };

export interface ApiErrorBody {
  readonly error: { readonly code: number; readonly message: string };
}

// ---- Flotilla's own

/** GET /summaries[?unit=A&unit=B]: every unit without its text; what list commands and events use. */
export interface ApiUnitSummary {
  readonly name: string;
  readonly hash: string;
  readonly description: string;
  readonly desiredState: ApiState;
  /** Of a global unit: the least state of its placements. */
  readonly currentState: ApiState;
  readonly global: boolean;
  /** Where and when (milliseconds since 1970) a unit with RunOnce=true has ended with success: it is not started again. */
  readonly ran?: { readonly machineID: string; readonly atMs: number };
  /** By machine id; more than one for a global unit. */
  readonly placements: readonly ApiPlacement[];
}

export interface ApiPlacement {
  readonly machineID: string;
  /** The machine's address; empty when the machine is not there. */
  readonly address: string;
  /** The leader's reason for this machine. */
  readonly reason: string;
  readonly desiredState: ApiState;
  /** Absent until the machine has reported. */
  readonly status?: {
    readonly hash: string;
    readonly state: ApiState;
    readonly load: string;
    readonly active: string;
    readonly sub: string;
    /** Why the machine could not load or start it. */
    readonly note?: string;
    /** How it ended; only while it has failed or waits for its restart. */
    readonly exit?: { readonly result: string; readonly status?: number; readonly signal?: number };
    /** Of which start it speaks: a later one has a greater number. Absent before the first. */
    readonly start?: number;
  };
  /** The services that the unit declares; only in events with `services=true`, and absent when there are none. */
  readonly services?: readonly ApiUnitService[];
}

/** A service that a unit declares in [X-Service], on one machine. */
export interface ApiUnitService {
  readonly name: string;
  readonly port: number;
  /** The worst status of its checks, once the router of the machine that answers knows; absent: not in the catalog. */
  readonly health?: 'passing' | 'warning' | 'critical';
  /** What the worst check says when it does not pass. */
  readonly output?: string;
}

/**
 * GET /events[?unit=A…][&machine=ID][&after=REVISION][&history=N][&since=MS][&until=MS][&happened=true][&units=false]
 * [&services=true]: server-sent events, each `data:` one ApiEvent. Without `after` the stream begins with one `unit` event
 * for every unit asked for (`unit=`; all when none is
 * named), then `ready`, then changes as they happen, many changes of one unit folded into its newest state.
 *
 * An `id:` is sent whenever the client is owed nothing up to that revision: resume with the last id (Last-Event-ID or
 * `after`), never with a `revision`. A resumed stream begins with the units changed since, then `ready`; or with
 * `reset` when the server cannot tell what changed, and then with everything.
 *
 * `happened=true` adds `happened` events as they happen, `history=N` begins with the last N that the store remembers (of
 * those between `since` and `until`, in milliseconds since 1970; `machine=` leaves out those of other machines),
 * `units=false` leaves the `unit` events out. `services=true` adds to each placement the services that its unit declares.
 */
export type ApiEvent =
  /** A unit as a whole, as it was at `revision`; `unit` is null when it is gone. */
  | { readonly type: 'unit'; readonly revision: number; readonly name: string; readonly unit: ApiUnitSummary | null }
  /** The snapshot, or what a resumed stream owed, is complete. `leader` is absent while there is none. */
  | {
      readonly type: 'ready';
      readonly revision: number;
      readonly machines: number;
      readonly leader?: string;
      /** The history that was asked for is not whole: the store has been compacted up to this revision. */
      readonly compactedAt?: number;
      /** Older events that were asked for are left out: a stream begins with 1,000 of the last 10,000 revisions at most. */
      readonly limited?: true;
    }
  /** Forget every unit seen before: a whole snapshot follows, ending in `ready`. */
  | { readonly type: 'reset'; readonly revision: number }
  | ApiHappened;

export type ApiEventKind =
  | 'unit-submitted'
  | 'unit-changed'
  | 'unit-destroyed'
  | 'unit-placed'
  | 'unit-unplaced'
  | 'unit-state'
  | 'unit-unreported'
  | 'machine-joined'
  | 'machine-changed'
  /** It left by itself: fleetd was stopped, or the machine powered off. */
  | 'machine-left'
  /** Its lease ended: power cut, crash, or no network. */
  | 'machine-lost'
  /** An older fleetd, which does not say whether it leaves. */
  | 'machine-gone'
  | 'leader-elected'
  | 'leader-gone'
  /** Events were left out of a stream that is read too slowly. */
  | 'left-out';

/** One thing that happened: as fields for programs, as a sentence for people. */
export interface ApiHappened {
  readonly type: 'happened';
  readonly revision: number;
  readonly kind: ApiEventKind;
  /** Milliseconds since 1970; absent when nobody wrote the time down. */
  readonly atMs?: number;
  /** It happened at `atMs` or before: the time is that of the next record. */
  readonly approximate?: true;
  readonly subject: 'unit' | 'machine' | 'leader';
  readonly name: string;
  readonly sentence: string;
  readonly unit?: string;
  readonly machine?: ApiMachineName;
  /** What the unit is to be from now on. */
  readonly desiredState?: ApiState;
  /** LOAD, ACTIVE and SUB from now on. */
  readonly state?: { readonly load: string; readonly active: string; readonly sub: string };
  readonly reason?: string;
  /** systemd's Result of a unit that failed or is to be restarted, with its main process' exit status or signal. */
  readonly result?: string;
  readonly exitStatus?: number;
  readonly signal?: number;
}

/** A machine, wherever one is named. */
export interface ApiMachineName {
  readonly id: string;
  /** Absent where nobody knows it: of a machine that is gone, or of an older fleetd. */
  readonly hostname?: string;
  readonly address?: string;
}

/** GET /units/N/why. */
export interface ApiWhy {
  readonly name: string;
  readonly desiredState: ApiState;
  readonly placements: readonly { readonly machineID: string; readonly address: string; readonly reason: string }[];
  /** Every machine there is: `reason` is why the unit cannot be there; absent when it could. */
  readonly machines: readonly {
    readonly machineID: string;
    readonly address: string;
    readonly units: number;
    readonly reason?: string;
  }[];
  /** One sentence that sums it up, e.g. `not placed: none of 3 machines qualifies`. */
  readonly summary: string;
}

/** GET /services: the catalog, by name. */
export interface ApiServiceList {
  readonly services: readonly ApiService[];
}

/** GET /services/N: 404 when the service has no instance. */
export interface ApiService {
  readonly name: string;
  /** Sorted by node and id. */
  readonly instances: readonly ApiServiceInstance[];
}

export interface ApiServiceInstance {
  readonly id: string;
  /** `external:` and its name for a computer without fleetd. */
  readonly machineID: string;
  /** Its name in the catalog. */
  readonly node: string;
  readonly address: string;
  readonly port: number;
  readonly tags: readonly string[];
  readonly meta: Readonly<Record<string, string>>;
  /** What registered it. */
  readonly source: 'unit' | 'container' | 'api';
  /** The unit behind it, where one is known. */
  readonly unit?: string;
  readonly routes: readonly { readonly host?: string; readonly path?: string }[];
  /** The worst status of its checks. */
  readonly health: 'passing' | 'warning' | 'critical';
  readonly checks: readonly {
    readonly id: string;
    readonly name: string;
    readonly type: string;
    readonly status: 'passing' | 'warning' | 'critical';
    readonly output: string;
    readonly notes: string;
  }[];
}

/** GET /router: the routes of the machine that answers; 404 where nothing is routed. */
export interface ApiRouter {
  readonly plane: string;
  /** Addresses at which it takes requests, e.g. `http://0.0.0.0:80`. */
  readonly listening: readonly string[];
  /** Why it does not run, when it does not. */
  readonly failure?: string;
  /** Of the catalog from which the routes are. */
  readonly revision: number;
  readonly routes: readonly ApiRoute[];
  /** What services ask for and do not get. */
  readonly problems: readonly {
    readonly host: string;
    readonly path: string;
    readonly service: string;
    readonly reason: string;
  }[];
}

export interface ApiRoute {
  readonly host: string;
  readonly path: string;
  readonly service: string;
  readonly backends: readonly {
    readonly id: string;
    readonly machine: string;
    readonly address: string;
    readonly port: number;
    readonly weight: number;
  }[];
}

/** Elements of `backends` of GET /router/backends; GET /router/config/nginx answers a file for nginx as text. */
export interface ApiRouterBackend {
  readonly id: string;
  readonly service: string;
  readonly address: string;
  readonly port: number;
  readonly state: 'up' | 'resting' | 'draining';
  readonly active: number;
  readonly requests: number;
  readonly failures: number;
}

/** GET /router/certificates: those in the store, by name. */
export interface ApiCertificateList {
  readonly certificates: readonly ApiCertificate[];
}

export interface ApiCertificate {
  readonly name: string;
  /** What it is for, `*.example.com` and addresses among them. */
  readonly hosts: readonly string[];
  /** Milliseconds since 1970; 0 for what cannot be read. */
  readonly expiresMs: number;
}

/**
 * PUT /router/certificates/N: 201 when there was none of that name, else 204; 400 says why it cannot be used. DELETE answers
 * 204, or 404. The text is never given back.
 */
export interface ApiCertificatePut {
  /** The certificate, its chain and its key. */
  readonly pem: string;
}

/** GET /units/N/status[?machine=ID][&lines=10]: from the machine(s) that hold it. */
export interface ApiUnitStatusReport {
  readonly name: string;
  readonly reports: readonly {
    readonly machineID: string;
    readonly address: string;
    /** As `systemctl status -l` prints it. */
    readonly text: string;
    readonly exitCode: number;
    /** Set when that machine did not answer; text is empty then. */
    readonly error?: string;
  }[];
}

/**
 * GET /units/N/journal[?machine=ID][&lines=10][&follow=true][&output=short]: text/plain, streamed. 404 when the unit is
 * not there, 409 when it runs nowhere, 400 (naming the machines) when it is global and no machine is named. A journal that
 * breaks off (its machine died) ends in a line that says so.
 */
export type ApiJournal = string;

/** GET /health: 200 when this fleetd reaches the store; otherwise 503 with an ApiErrorBody. */
export interface ApiHealth {
  readonly ok: true;
  readonly machineID: string;
  readonly version: string;
}

/** GET /version: answered without asking the store. */
export interface ApiVersion {
  readonly version: string;
  readonly machineID: string;
}

/** GET /leader: 404 while nobody leads. */
export interface ApiLeader {
  readonly machineID: string;
  readonly address: string;
  readonly sinceMs: number;
}
