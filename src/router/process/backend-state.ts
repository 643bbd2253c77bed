import { Pool } from 'undici';
import type { Clock, Log } from '../../lib/index.ts';
import type { BackendReport, RouterSettings } from '../data-plane.ts';
import { type Backend, originOf } from '../route-table.ts';
import { isSilent } from './silent-machine.ts';

export type BackendLimits = Pick<RouterSettings, 'answerTimeoutMs' | 'connectTimeoutMs' | 'maxFailures' | 'restMs'>;

/** Below the five seconds after which many servers close an idle connection. */
const IDLE_CONNECTION_MS = 4000;
const MAX_ANSWER_HEAD_BYTES = 64 * 1024;
/**
 * Milliseconds of the first rest of a backend that has never responded and may only be starting; each further rest is
 * twice as long.
 */
const STARTING_REST_MS = 1000;

/** A request that can be withdrawn from its backend. */
export interface PendingRequest {
  /**
   * The backend's machine has left the catalog: move an idempotent request that has no response yet to another backend.
   */
  leave(): void;
  /** The machine is silent: no response will come, and no error either. */
  abandon(): void;
}

/** A backend with its connections, its requests in flight and its recent failures. */
export class BackendState {
  readonly backend: Backend;
  readonly service: string;
  readonly pool: Pool;
  readonly #limits: BackendLimits;
  readonly #clock: Clock;
  readonly #log: Log;
  #active = 0;
  /**
   * An array, not a Set: a Set with turnover leaves a chain of old tables behind, which makes seconds of garbage look
   * alive to V8's scavenger.
   */
  readonly #waiting: PendingRequest[] = [];
  #requests = 0;
  #failures = 0;
  #failuresInARow = 0;
  #restUntilMs = 0;
  /** Upper limit of the next rest. */
  #longestRestMs = STARTING_REST_MS;
  #draining = false;
  /** Identifies the present absence of its machine from the catalog; undefined while the machine is there. */
  #absence: object | undefined;
  #idle: (() => void)[] = [];

  constructor(backend: Backend, service: string, limits: BackendLimits, clock: Clock, log: Log) {
    this.backend = backend;
    this.service = service;
    this.#limits = limits;
    this.#clock = clock;
    this.#log = log;
    this.pool = new Pool(originOf(backend), {
      pipelining: 1,
      keepAliveTimeout: IDLE_CONNECTION_MS,
      headersTimeout: limits.answerTimeoutMs,
      // No limit: a response may be a stream that is silent for hours; the client ends it.
      bodyTimeout: 0,
      maxHeaderSize: MAX_ANSWER_HEAD_BYTES,
      connect: { timeout: limits.connectTimeoutMs, keepAlive: true },
    });
  }

  get connectTimeoutMs(): number {
    return this.#limits.connectTimeoutMs;
  }

  /** Requests in flight divided by weight; the backend with the lowest load gets the next request. */
  get load(): number {
    return (this.#active + 1) / this.backend.weight;
  }

  get isDraining(): boolean {
    return this.#draining;
  }

  get isResting(): boolean {
    return this.#restUntilMs > 0 && this.#clock.monotonic() < this.#restUntilMs;
  }

  /** Counts a request; `ended` must follow with the same argument. */
  began(waiting?: PendingRequest): void {
    this.#active++;
    this.#requests++;
    if (waiting !== undefined) this.#waiting.push(waiting);
  }

  ended(waiting?: PendingRequest): void {
    if (waiting !== undefined) this.#forget(waiting);
    if (--this.#active > 0) return;
    for (const resolve of this.#idle.splice(0)) resolve();
  }

  #forget(waiting: PendingRequest): void {
    const last = this.#waiting.pop()!;
    if (last !== waiting) this.#waiting[this.#waiting.indexOf(waiting)] = last;
  }

  succeeded(): void {
    this.#failuresInARow = 0;
    this.#restUntilMs = 0;
    this.#longestRestMs = Number.POSITIVE_INFINITY;
  }

  failed(because: string): void {
    this.#failures++;
    this.#failuresInARow++;
    // Failures during a rest belong to requests sent before it. A failure right after a rest begins the next one.
    if (this.#failuresInARow < this.#limits.maxFailures || this.isResting) return;
    const restMs = Math.min(this.#longestRestMs, this.#limits.restMs);
    this.#longestRestMs *= 2;
    this.#restUntilMs = this.#clock.monotonic() + restMs;
    const { id, address, port } = this.backend;
    this.#log.warn('Backend rests', { service: this.service, backend: id, address, port, restMs, because });
  }

  /** Sends it no new requests; resolves when its last request has ended. */
  drain(): Promise<void> {
    this.#draining = true;
    return this.#active === 0 ? Promise.resolve() : new Promise((resolve) => this.#idle.push(resolve));
  }

  /** Waits for requests in flight, then closes its connections. */
  async retire(): Promise<void> {
    await Promise.all([this.drain(), this.pool.close()]);
  }

  /**
   * Its machine has left the catalog: the machine may be lost, or only its fleetd stopped while the backend still
   * responds. Probes the machine until the remaining requests have ended, and abandons them once it is silent.
   */
  async leave(): Promise<void> {
    if (this.#absence !== undefined) return;
    const absence = {};
    this.#absence = absence;
    for (const waiting of [...this.#waiting]) waiting.leave();
    const { connectTimeoutMs } = this.#limits;
    while (this.#waiting.length > 0) {
      const silent = await isSilent(this.backend, connectTimeoutMs);
      if (this.#absence !== absence) return;
      if (silent) return this.#abandonAll();
      await this.#clock.sleep(connectTimeoutMs);
      if (this.#absence !== absence) return;
    }
  }

  /** Its machine is in the catalog, perhaps again. */
  stay(): void {
    this.#absence = undefined;
  }

  #abandonAll(): void {
    const { id, address, port } = this.backend;
    const requests = this.#waiting.length;
    this.#log.warn('Requests end with their silent machine', {
      service: this.service,
      backend: id,
      address,
      port,
      requests,
    });
    for (const waiting of [...this.#waiting]) waiting.abandon();
  }

  report(): BackendReport {
    const { id, address, port } = this.backend;
    const state = this.#draining ? 'draining' : this.isResting ? 'resting' : 'up';
    const { service } = this;
    return {
      id,
      service,
      address,
      port,
      state,
      active: this.#active,
      requests: this.#requests,
      failures: this.#failures,
    };
  }
}
