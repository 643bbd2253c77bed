/**
 * Tells which absent machines are dead. An ended lease alone does not: after a power cut every machine is absent at first,
 * and none is dead. So an absent machine counts as dead when this process has known it alive, or when it has had the time
 * that it needs to come back (docs/adr/0006).
 */
export class Liveness {
  readonly #ttlMs: number;
  readonly #sinceMs: number;
  /** Present machines: since when they are watched, and whether they joined while being watched. */
  readonly #present = new Map<string, { sinceMs: number; joined: boolean }>();
  /** Absent machines which have been seen alive. */
  readonly #dead = new Set<string>();

  /** `nowMs`: the monotonic time at which this process began to watch a store that responds. */
  constructor(ttlMs: number, nowMs: number) {
    this.#ttlMs = ttlMs;
    this.#sinceMs = nowMs;
  }

  /** Notes a machine that was there when watching began: its lease may be left over from before a power cut. */
  found(id: string, nowMs: number): void {
    this.#present.set(id, { sinceMs: nowMs, joined: false });
  }

  /** Notes that the machine announced itself while being watched: it is alive. */
  joined(id: string, nowMs: number): void {
    this.#dead.delete(id);
    this.#present.set(id, { sinceMs: nowMs, joined: true });
  }

  gone(id: string, nowMs: number): void {
    const present = this.#present.get(id);
    this.#present.delete(id);
    // From then on every absent machine is dead, so none needs to be remembered.
    if (nowMs >= this.graceEndsMs()) this.#dead.clear();
    // A lease that outlasts a TTL while being watched was kept alive by its machine.
    else if (present && (present.joined || nowMs - present.sinceMs > this.#ttlMs)) this.#dead.add(id);
  }

  isDead(id: string, nowMs: number): boolean {
    return !this.#present.has(id) && (this.#dead.has(id) || nowMs >= this.graceEndsMs());
  }

  /** Returns the monotonic time from which every absent machine is dead: a TTL to come back in, and a quarter to spare. */
  graceEndsMs(): number {
    return this.#sinceMs + this.#ttlMs * 1.25;
  }
}
