import { FlotillaError } from '../../src/lib/index.ts';
import type {
  Condition,
  Entry,
  Lease,
  Listing,
  Range,
  Store,
  Watch,
  WatchBatch,
  Write,
} from '../../src/store/index.ts';
import type { StoreServer } from './store-server.ts';
import type { ProcessClock, SeededRandom, VirtualTime } from './virtual-time.ts';

/** The network between one machine and the store. */
export interface Link {
  /** False: nothing gets through in either direction. */
  open: boolean;
  /** Probability that a request, or its answer, is lost. */
  lossRate: number;
  /** Probability that a request is stuck on its way for longer than any lease, and then delivered. */
  stuckRate: number;
  maxDelayMs: number;
  /** Called when the link opens. */
  readonly onOpen: Set<() => void>;
}

export interface StoreClientOptions {
  readonly server: StoreServer;
  readonly time: VirtualTime;
  readonly clock: ProcessClock;
  readonly random: SeededRandom;
  readonly link: Link;
  /** Who sends: the machine, or undefined for a user's API call. */
  readonly machine: string | undefined;
  /** Faults in our own code, to prove that the invariants catch them. */
  readonly mutant?: Mutant | undefined;
}

export type Mutant = 'no-fence' | 'status-without-lease' | 'skipping-watch';

const REQUEST_TIMEOUT_MS = 1000;
const STUCK_MS = 12_000;

/** One process's connection to the store, with everything that can go wrong on the way. */
export class StoreClient implements Store {
  readonly #options: StoreClientOptions;

  constructor(options: StoreClientOptions) {
    this.#options = options;
  }

  list(range: Range): Promise<Listing> {
    const { server } = this.#options;
    return this.#request(() => ({ entries: server.entries(range), revision: server.revision, more: false }));
  }

  get(key: string): Promise<Entry | undefined> {
    return this.#request(() => this.#options.server.get(key));
  }

  getMany(keys: readonly string[]): Promise<Entry[]> {
    const { server } = this.#options;
    return this.#request(() => keys.map((key) => server.get(key)).filter((entry) => entry !== undefined));
  }

  revision(): Promise<number> {
    return this.#request(() => this.#options.server.revision);
  }

  commit(conditions: readonly Condition[], writes: readonly Write[]) {
    const { server, machine, mutant } = this.#options;
    const unfenced =
      mutant === 'no-fence' && writes.some((write) => 'put' in write && write.put.includes('/placement/'));
    const checked = unfenced ? [] : conditions;
    const sent = mutant === 'status-without-lease' ? writes.map(withoutStatusLease) : writes;
    return this.#request(() => server.commit(machine, checked, sent));
  }

  watch(range: Range, after: number, signal: AbortSignal): Watch {
    return new ClientWatch(this.#options, range, after, signal);
  }

  async lease(ttlMs: number): Promise<Lease> {
    const sentAt = this.#options.clock.monotonic();
    const id = await this.#request(() => this.#options.server.grant(ttlMs));
    return this.#keep(id, ttlMs, sentAt);
  }

  async resumeLease(id: string): Promise<Lease | undefined> {
    const sentAt = this.#options.clock.monotonic();
    const ttlMs = await this.#request(() => this.#options.server.keepAlive(id));
    return ttlMs === undefined ? undefined : this.#keep(id, ttlMs, sentAt);
  }

  grantLease(ttlMs: number): Promise<string> {
    return this.#request(() => this.#options.server.grant(ttlMs));
  }

  renewLease(id: string): Promise<boolean> {
    return this.#request(() => this.#options.server.keepAlive(id) !== undefined);
  }

  revokeLease(id: string): Promise<void> {
    return this.#request(() => this.#options.server.revoke(id));
  }

  async close(): Promise<void> {}

  #keep(id: string, ttlMs: number, sentAt: number): Lease {
    const { clock, server } = this.#options;
    const ended = new AbortController();
    let deadline = sentAt + ttlMs;
    const lose = () => ended.abort(new FlotillaError('unavailable', 'the lease has ended'));
    const watchDeadline = () => {
      if (ended.signal.aborted) return;
      if (clock.monotonic() >= deadline) return lose();
      clock.after(deadline - clock.monotonic(), watchDeadline);
    };
    const beat = async () => {
      if (ended.signal.aborted) return;
      clock.after(ttlMs / 3, beat);
      const sent = clock.monotonic();
      const kept = await this.#request(() => server.keepAlive(id)).catch(() => ttlMs - 1);
      if (kept === undefined) lose();
      else if (kept === ttlMs) deadline = Math.max(deadline, sent + ttlMs);
    };
    clock.after(ttlMs / 3, beat);
    watchDeadline();
    const revoke = async () => {
      lose();
      await this.#request(() => server.revoke(id));
    };
    return { id, ttlMs, lost: ended.signal, deadline: () => deadline, revoke };
  }

  /** Sends `apply` to the server and brings back its answer, unless one of the two gets lost on the way. */
  #request<T>(apply: () => T): Promise<T> {
    const { time, clock, random, link, server } = this.#options;
    return new Promise((resolve, reject) => {
      clock.after(REQUEST_TIMEOUT_MS, () => reject(new FlotillaError('unavailable', 'no answer from the store')));
      const deliver = (): void => {
        link.onOpen.delete(deliver);
        if (!link.open) {
          // In flight when the link broke: lost, or sent again when it opens.
          if (random.chance(0.5)) link.onOpen.add(deliver);
          return;
        }
        if (!server.up) {
          clock.after(20, () => reject(new FlotillaError('unavailable', 'connection refused')));
          return;
        }
        let answer: () => void;
        try {
          const value = apply();
          answer = () => resolve(value);
        } catch (error) {
          if (!(error instanceof FlotillaError)) throw error;
          answer = () => reject(error);
        }
        if (random.chance(link.lossRate)) return;
        clock.after(random.float() * link.maxDelayMs, () => link.open && answer());
      };
      if (random.chance(link.lossRate)) return;
      const delayMs = random.float() * link.maxDelayMs;
      // The network goes on carrying what a process sent before it died.
      time.schedule(random.chance(link.stuckRate) ? STUCK_MS + delayMs : delayMs, deliver);
    });
  }
}

function withoutStatusLease(write: Write): Write {
  return 'put' in write && write.put.includes('/status/') ? { put: write.put, value: write.value } : write;
}

class ClientWatch implements Watch {
  readonly #options: StoreClientOptions;
  readonly #range: Range;
  readonly #signal: AbortSignal;
  /** Up to where batches have been handed over or are on their way. */
  #sent: number;
  #progressWanted = false;
  #pumping = false;
  #failure: unknown;
  readonly #queue: WatchBatch[] = [];
  #wake: () => void = () => {};

  constructor(options: StoreClientOptions, range: Range, after: number, signal: AbortSignal) {
    this.#options = options;
    this.#range = range;
    this.#sent = after;
    this.#signal = signal;
    const pump = () => this.#pump();
    const unsubscribe = options.server.subscribe(pump);
    options.link.onOpen.add(pump);
    signal.addEventListener('abort', () => {
      unsubscribe();
      options.link.onOpen.delete(pump);
      this.#wake();
    });
    this.#pump();
  }

  requestProgress(): void {
    this.#progressWanted = true;
    this.#pump();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<WatchBatch> {
    while (!this.#signal.aborted) {
      const batch = this.#queue.shift();
      if (batch) {
        yield batch;
      } else if (this.#failure) {
        throw this.#failure;
      } else {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    }
  }

  /** Fetches what is new after a network delay; whatever happens meanwhile is fetched with it or by the next pump. */
  #pump(): void {
    const { clock, random, link } = this.#options;
    if (this.#pumping || this.#signal.aborted || this.#failure) return;
    this.#pumping = true;
    clock.after(0.2 + random.float() * link.maxDelayMs, () => {
      this.#pumping = false;
      this.#fetch();
    });
  }

  #fetch(): void {
    const { server, link, mutant, random } = this.#options;
    if (!link.open || !server.up || this.#signal.aborted) return;
    try {
      for (const batch of server.eventsAfter(this.#sent, this.#range)) {
        this.#sent = batch.revision;
        if (mutant === 'skipping-watch' && random.chance(0.05)) continue;
        this.#queue.push(batch);
      }
      if (this.#progressWanted) this.#queue.push({ revision: server.revision, events: [] });
      this.#progressWanted = false;
      this.#sent = server.revision;
    } catch (error) {
      this.#failure = error;
    }
    this.#wake();
  }
}
