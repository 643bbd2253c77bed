import type { Clock, Random } from '../../src/lib/index.ts';

interface Timer {
  readonly atMs: number;
  readonly order: number;
  readonly fire: () => void;
}

/** Virtual time: timers fire in order of time, then of creation, and between two of them all promises settle. */
export class VirtualTime {
  #nowMs = 0;
  #order = 0;
  /** A binary heap by (atMs, order). */
  readonly #timers: Timer[] = [];

  get nowMs(): number {
    return this.#nowMs;
  }

  schedule(delayMs: number, fire: () => void): void {
    const timer = { atMs: this.#nowMs + Math.max(0, delayMs), order: this.#order++, fire };
    this.#timers.push(timer);
    let i = this.#timers.length - 1;
    while (i > 0) {
      const parent = (i - 1) >> 1;
      if (!before(this.#timers[i]!, this.#timers[parent]!)) break;
      swap(this.#timers, i, parent);
      i = parent;
    }
  }

  /** Runs until virtual time `untilMs`. */
  async run(untilMs: number): Promise<void> {
    await settle();
    while (this.#timers.length > 0 && this.#timers[0]!.atMs <= untilMs) {
      const timer = this.#pop();
      this.#nowMs = timer.atMs;
      timer.fire();
      await settle();
    }
    this.#nowMs = untilMs;
  }

  #pop(): Timer {
    const timers = this.#timers;
    const top = timers[0]!;
    const last = timers.pop()!;
    if (timers.length === 0) return top;
    timers[0] = last;
    for (let i = 0; ; ) {
      const left = 2 * i + 1;
      let least = i;
      if (left < timers.length && before(timers[left]!, timers[least]!)) least = left;
      if (left + 1 < timers.length && before(timers[left + 1]!, timers[least]!)) least = left + 1;
      if (least === i) return top;
      swap(timers, i, least);
      i = least;
    }
  }
}

/** Lets every promise that can settle without time passing do so. */
function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

function before(a: Timer, b: Timer): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
}

function swap(timers: Timer[], i: number, j: number): void {
  const kept = timers[i]!;
  timers[i] = timers[j]!;
  timers[j] = kept;
}

/**
 * The clock of one process: may run a little fast or slow, may be set wrong, and calls nobody any more once the process is
 * dead. While the process stands still (SIGSTOP) time goes on, and what is due waits.
 */
export class ProcessClock implements Clock {
  readonly #time: VirtualTime;
  readonly #rate: number;
  offsetMs = 0;
  dead = false;
  #stopped = false;
  #due: (() => void)[] = [];

  constructor(time: VirtualTime, rate: number) {
    this.#time = time;
    this.#rate = rate;
  }

  now(): number {
    return 1_700_000_000_000 + this.#time.nowMs * this.#rate + this.offsetMs;
  }

  monotonic(): number {
    return this.#time.nowMs * this.#rate;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      signal?.addEventListener('abort', () => reject(signal.reason), { once: true });
      this.after(ms, resolve);
    });
  }

  after(ms: number, fn: () => void): () => void {
    let cancelled = false;
    const fire = () => {
      if (cancelled || this.dead) return;
      if (this.#stopped) this.#due.push(fire);
      else fn();
    };
    this.#time.schedule(ms / this.#rate, fire);
    return () => {
      cancelled = true;
    };
  }

  /** The process stands still until `goOn`. */
  standStill(): void {
    this.#stopped = true;
  }

  goOn(): void {
    this.#stopped = false;
    const due = this.#due;
    this.#due = [];
    for (const fire of due) this.#time.schedule(0, fire);
  }
}

/** mulberry32: small, fast, and the same on every machine. */
export class SeededRandom implements Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  float(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let t = this.#state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  }

  hex(bytes: number): string {
    return Array.from({ length: bytes }, () => this.int(256).toString(16).padStart(2, '0')).join('');
  }

  /** Uniform in 0..below-1. */
  int(below: number): number {
    return Math.floor(this.float() * below);
  }

  chance(probability: number): boolean {
    return this.float() < probability;
  }

  pick<T>(items: readonly T[]): T {
    return items[this.int(items.length)]!;
  }
}
