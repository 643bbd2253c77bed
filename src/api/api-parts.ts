import type { Cluster } from '../cluster/index.ts';
import type { AdmitPeer, Clock, Log, Random, RefuseForeignPages, UnreadLimits } from '../lib/index.ts';
import type { Router } from '../router/index.ts';
import type { UnitRuntime } from '../runtime/index.ts';
import type { Catalog } from '../services/index.ts';
import type { Authorize } from './access.ts';
import type { ClusterReader } from './cluster-reader.ts';
import type { EventHub } from './event-hub.ts';
import type { Metrics } from './metrics.ts';
import type { PeerAccess } from './peer-access.ts';

export interface ApiOptions {
  readonly cluster: Cluster;
  /** Endpoints of the store, for people. */
  readonly storeEndpoints?: readonly string[];
  readonly machineId: string;
  readonly version: string;
  /** Items on a page of a list, 1 to 65535. */
  readonly tokenLimit: number;
  /** What runs this machine's units; without it this fleetd answers no status and no journal of its own. */
  readonly runtime?: UnitRuntime | undefined;
  /** What routes HTTP on this machine; absent where nothing does. */
  readonly router?: Router | undefined;
  /** Without it this fleetd answers nothing about services. */
  readonly catalog?: Catalog | undefined;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** False while this fleetd must not speak for the cluster, e.g. while another one has its machine id. */
  readonly available?: () => boolean;
  /** Shared with the engine and the store, so that GET /metrics shows all of them. */
  readonly metrics: Metrics;
  /** Refuses requests of web pages; unless given, with no names besides this machine's own. */
  readonly pages?: RefuseForeignPages;
  /** Asked once per connection; without, everybody may connect. */
  readonly admitPeer?: AdmitPeer | undefined;
  /** Asked about every request after the built-in checks; throws FlotillaError to refuse it. */
  readonly authorize?: Authorize;
  /**
   * Longest time a request waits for the store, in milliseconds. More than the store's own limit of a request, so that
   * a write which is answered as failed is not carried out later.
   */
  readonly storeTimeoutMs?: number;
  /** Longest time a request waits for another machine's first answer, in milliseconds. */
  readonly peerTimeoutMs?: number;
  /** How long the view of the cluster is kept open after the last request, in milliseconds. */
  readonly viewIdleMs?: number;
  /** Limits of what clients may leave unread; those of `UnreadResponses` unless given. */
  readonly unread?: UnreadLimits;
  /** Past events that all event streams may hold for their clients together; 100,000 unless given. */
  readonly maxPastEvents?: number | undefined;
}

/** Less than fleetctl waits for its own request. */
export const DEFAULT_PEER_TIMEOUT_MS = 2500;

/** What the handlers of all resources share. */
export interface ApiParts {
  readonly options: ApiOptions;
  readonly reader: ClusterReader;
  readonly hub: EventHub;
  readonly peers: PeerAccess;
  /** Journals being streamed, those for other machines included. */
  readonly journals: Set<AbortController>;
  /** Aborted when the API closes: streams end. */
  readonly closing: AbortSignal;
}
