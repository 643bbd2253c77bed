/**
 * Which absent machines are dead. The store ends a lease only after a whole TTL of silence, but after a power cut every
 * machine is absent at first, and none of them is dead: so a machine counts as dead when it is absent and this process
 * has known it alive, or when it had all the time it needed to come back.
 */
export class Liveness {
  readonly #ttlMs: number;
  readonly #sinceMs: number;
  /** Present machines: since when they are watched, and whether they joined before our eyes. */
  readonly #present = new Map<string, { sinceMs: number; joined: boolean }>();
  /** Absent machines which have been seen alive. */
  readonly #dead = new Set<string>();

  /** `nowMs`: monotonic; when this process began to watch a store that answers. */
  constructor(ttlMs: number, nowMs: number) {
    this.#ttlMs = ttlMs;
    this.#sinceMs = nowMs;
  }

  /** The machine was there already when watching began: its lease may be a leftover of one that has lost power. */
  found(id: string, nowMs: number): void {
    this.#present.set(id, { sinceMs: nowMs, joined: false });
  }

  /** The machine announced itself while being watched: it is alive. */
  joined(id: string, nowMs: number): void {
    this.#dead.delete(id);
    this.#present.set(id, { sinceMs: nowMs, joined: true });
  }

  gone(id: string, nowMs: number): void {
    const present = this.#present.get(id);
    this.#present.delete(id);
    // From then on whoever is absent is dead.
    if (nowMs >= this.graceEndsMs()) this.#dead.clear();
    // A lease that outlasts a TTL under our eyes has been kept alive by somebody.
    else if (present && (present.joined || nowMs - present.sinceMs > this.#ttlMs)) this.#dead.add(id);
  }

  isDead(id: string, nowMs: number): boolean {
    return !this.#present.has(id) && (this.#dead.has(id) || nowMs >= this.graceEndsMs());
  }

  /** Monotonic time from which every absent machine counts as dead: one TTL to come back, and a quarter to spare. */
  graceEndsMs(): number {
    return this.#sinceMs + this.#ttlMs * 1.25;
  }
}
