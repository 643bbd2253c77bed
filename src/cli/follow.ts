import type { ApiUnitSummary, FleetClient } from '../client/index.ts';
import { FlotillaError } from '../lib/index.ts';

export interface FollowOptions {
  readonly client: FleetClient;
  readonly names: readonly string[];
  /** The services that the units declare are told of as well. */
  readonly services?: boolean;
}

/**
 * The units of one command as the API's event stream tells of them. `ready` resolves once they are all known as they
 * were at the start; after that `onChange` hears of every change. Never polls.
 */
export class Follow {
  readonly units = new Map<string, ApiUnitSummary | null>();
  readonly ready: Promise<void>;
  /** Rejects when nothing more will be heard, or when `onChange` throws; never resolves. */
  readonly broken: Promise<never>;
  onChange: (name: string) => void = () => {};
  readonly #abort = new AbortController();
  #cut: FlotillaError | undefined;

  constructor(options: FollowOptions) {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.broken = this.#run(options, resolve).then(() => new Promise<never>(() => {}));
    this.ready = Promise.race([promise, this.broken]);
    // Whoever never asks must not be told through an unhandled rejection.
    for (const told of [this.broken, this.ready]) told.catch(() => {});
  }

  /** Why there is no news now, when the stream was cut and is not back yet. */
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
      // Whatever a whole snapshot did not name is not there.
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
