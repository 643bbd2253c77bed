import type { ApiUnitSummary, FleetClient } from '../client/index.ts';
import { FlotillaError } from '../lib/index.ts';

export interface FollowOptions {
  readonly client: FleetClient;
  readonly names: readonly string[];
  /** True to include the services that the units declare. */
  readonly services?: boolean;
}

/**
 * Follows the units of one command by the API's event stream. `ready` resolves when the initial state of all is known;
 * then `onChange` is called for every change. Never polls.
 */
export class Follow {
  readonly units = new Map<string, ApiUnitSummary | null>();
  readonly ready: Promise<void>;
  /** Rejects when no more events will come, or when `onChange` throws; never resolves. */
  readonly broken: Promise<never>;
  onChange: (name: string) => void = () => {};
  readonly #abort = new AbortController();
  #cut: FlotillaError | undefined;

  constructor(options: FollowOptions) {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.broken = this.#run(options, resolve).then(() => new Promise<never>(() => {}));
    this.ready = Promise.race([promise, this.broken]);
    // A caller that never awaits them must not cause an unhandled rejection.
    for (const told of [this.broken, this.ready]) told.catch(() => {});
  }

  /** The reason for the present lack of events when the stream was interrupted and is not back yet. */
  get cut(): FlotillaError | undefined {
    return this.#cut;
  }

  close(): void {
    this.#abort.abort();
  }

  async #run({ client, names, services = false }: FollowOptions, ready: () => void): Promise<void> {
    let snapshot: Set<string> | undefined;
    const { signal } = this.#abort;
    const onCut = (error: FlotillaError) => {
      this.#cut = error;
    };
    const onOpen = (resumed: boolean) => {
      this.#cut = undefined;
      snapshot = resumed ? undefined : new Set();
    };
    for await (const event of client.events({ units: names, services, signal, onCut, onOpen })) {
      if (event.type === 'happened') continue;
      if (event.type === 'reset') {
        snapshot = new Set();
        continue;
      }
      if (event.type === 'unit') {
        snapshot?.add(event.name);
        this.#set(event.name, event.unit);
        continue;
      }
      // A unit that a complete snapshot does not contain does not exist.
      for (const name of names) if (snapshot && !snapshot.has(name)) this.#set(name, null);
      snapshot = undefined;
      ready();
    }
    if (!signal.aborted) throw new FlotillaError('unavailable', 'the event stream ended');
  }

  #set(name: string, unit: ApiUnitSummary | null): void {
    this.units.set(name, unit);
    this.onChange(name);
  }
}
