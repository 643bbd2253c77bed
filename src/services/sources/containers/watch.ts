import {
  Backoff,
  type Clock,
  isFlotillaError,
  type Log,
  messageOf,
  type Random,
  unlessAborted,
} from '../../../lib/index.ts';
import type { Registration } from '../../index.ts';
import { type ContainerSummary, DockerApi, ENDINGS } from './docker-api.ts';
import { excessOf, type MachineFacts, registrationsOf } from './translate.ts';

export interface ContainerServicesOptions {
  /** Docker's unix socket, or Podman's. */
  readonly socket: string;
  readonly machine: () => MachineFacts;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** How often all containers are listed, in milliseconds: a safety net, since events report the changes. */
  readonly reconcileMs?: number;
}

interface Known {
  /** The container's entry in the list; when that changes the container is inspected again. */
  readonly print: string;
  readonly registrations: readonly Registration[];
}

const RECONCILE_MS = 60_000;
/** When the containers of a docker that does not respond leave the catalog, in milliseconds. */
const GONE_AFTER_MS = 10_000;
const MAX_INSPECTS = 8;

/** The source of the services of Docker's containers on this machine. All are inspected again after its events were lost. */
export class ContainerServices {
  readonly name = 'container';
  readonly #options: ContainerServicesOptions;

  constructor(options: ContainerServicesOptions) {
    this.#options = options;
  }

  /** Yields whole states until the signal aborts; a docker that is not installed has no containers. */
  async *states(signal: AbortSignal): AsyncGenerator<readonly Registration[]> {
    const watch = new ContainerWatch(this.#options, signal);
    void watch.run();
    for (;;) {
      const state = await watch.next();
      if (signal.aborted || state === undefined) return;
      yield state;
    }
  }
}

class ContainerWatch {
  readonly #options: ContainerServicesOptions;
  readonly #signal: AbortSignal;
  readonly #docker: DockerApi;
  readonly #known = new Map<string, Known>();
  /** Counts the inspections of each container while one is under way, so that only the latest counts. */
  readonly #turns = new Map<string, number>();
  #dirty = false;
  /** True once the empty state was reported. */
  #empty = false;
  #wake = () => {};
  /** A time at or just before the last event, in Docker's format. */
  #since: string;

  constructor(options: ContainerServicesOptions, signal: AbortSignal) {
    this.#options = options;
    this.#signal = signal;
    this.#docker = new DockerApi(options.socket);
    this.#since = seconds(options.clock.now());
  }

  /** Resolves with the state once it differs from the one returned last; undefined after the signal aborted. */
  async next(): Promise<readonly Registration[] | undefined> {
    while (!this.#dirty && !this.#signal.aborted)
      await unlessAborted<void>(this.#signal, (resolve) => {
        this.#wake = resolve;
        return () => {};
      });
    this.#dirty = false;
    return this.#signal.aborted ? undefined : [...this.#known.values()].flatMap(({ registrations }) => registrations);
  }

  async run(): Promise<void> {
    const { clock, random, log } = this.#options;
    const backoff = new Backoff({ minMs: 100, maxMs: 2000 }, random);
    let lostAtMs: number | undefined;
    while (!this.#signal.aborted) {
      try {
        await this.#follow(() => {
          if (lostAtMs !== undefined) log.info('Docker answers', { socket: this.#options.socket });
          lostAtMs = undefined;
          backoff.reset();
        });
      } catch (error) {
        if (this.#signal.aborted) return;
        if (lostAtMs === undefined) log.debug('Docker does not answer', { error: messageOf(error) });
        lostAtMs ??= clock.monotonic();
        const absent = isFlotillaError(error) && error.facts['code'] === 'ENOENT';
        if (absent || clock.monotonic() - lostAtMs > GONE_AFTER_MS) this.#forgetAll();
      }
      await clock.sleep(backoff.next(), this.#signal).catch(() => {});
    }
  }

  /** Follows one connection to its end: inspects all containers, while Docker sends the events since the last one again. */
  async #follow(onAnswer: () => void): Promise<void> {
    const ending = new AbortController();
    const signal = AbortSignal.any([this.#signal, ending.signal]);
    // The first failure ends the listener, the inspections and the timer together.
    const fail = (error: unknown) => ending.abort(error);
    const events = this.#listen(signal, fail);
    events.catch(fail);
    try {
      await this.#reconcile(signal, { again: true });
      onAnswer();
      await Promise.race([events, this.#reconcileNowAndThen(signal)]);
    } finally {
      ending.abort();
    }
  }

  async #listen(signal: AbortSignal, fail: (error: unknown) => void): Promise<void> {
    for await (const { Action, Actor, timeNano } of this.#docker.events(this.#since, signal)) {
      if (timeNano !== undefined) this.#since = seconds(timeNano / 1e6);
      const id = Actor?.ID;
      if (id === undefined) continue;
      if (Action !== undefined && ENDINGS.includes(Action)) this.#forget(id);
      else this.#look(id, signal).catch(fail);
    }
  }

  async #reconcileNowAndThen(signal: AbortSignal): Promise<void> {
    const { clock, reconcileMs = RECONCILE_MS } = this.#options;
    for (;;) {
      await clock.sleep(reconcileMs, signal);
      await this.#reconcile(signal, { again: false });
    }
  }

  /** Lists all containers, forgets those that are gone and inspects new ones; with `again` also those that are known. */
  async #reconcile(signal: AbortSignal, { again }: { readonly again: boolean }): Promise<void> {
    const running = await this.#docker.running(signal);
    const ids = new Set(running.map(({ Id }) => Id));
    for (const id of this.#known.keys()) if (!ids.has(id)) this.#forget(id);
    const waiting = running.filter((summary) => again || this.#known.get(summary.Id)?.print !== printOf(summary));
    const work = async () => {
      for (let next = waiting.shift(); next; next = waiting.shift()) await this.#look(next.Id, signal, printOf(next));
    };
    await Promise.all(Array.from({ length: MAX_INSPECTS }, work));
    if (again) this.#tell();
  }

  /** Inspects a container and keeps its services, unless an event about it came meanwhile. */
  async #look(id: string, signal: AbortSignal, print = ''): Promise<void> {
    const turn = (this.#turns.get(id) ?? 0) + 1;
    this.#turns.set(id, turn);
    const container = await this.#docker.inspect(id, signal).catch((error: unknown) => {
      if (isFlotillaError(error, 'too-large')) return error;
      throw error;
    });
    if (this.#turns.get(id) !== turn) return;
    this.#turns.delete(id);
    const isError = container instanceof Error;
    if (!isError && !container?.State?.Running) return this.#forget(id);
    const machine = this.#options.machine();
    const because = isError ? container.message : excessOf(container, machine);
    if (because !== undefined)
      this.#options.log.warn('Container left out', { container: (!isError && container.Name) || id, because });
    const registrations = isError || because !== undefined ? [] : registrationsOf(container, machine);
    this.#known.set(id, { print, registrations });
    this.#tell();
  }

  #forget(id: string): void {
    this.#turns.delete(id);
    if (this.#known.delete(id)) this.#tell();
  }

  #forgetAll(): void {
    this.#known.clear();
    this.#turns.clear();
    if (!this.#empty) this.#tell();
    this.#empty = true;
  }

  #tell(): void {
    this.#empty = false;
    this.#dirty = true;
    this.#wake();
  }
}

/** Returns the part of a list's entry that changes when the container was started again or renamed. */
function printOf({ Names = [], Ports = [] }: ContainerSummary): string {
  return JSON.stringify([Names, Ports.map((port) => JSON.stringify(port)).sort()]);
}

/** Returns a time in milliseconds in Docker's format. */
function seconds(ms: number): string {
  return (ms / 1000).toFixed(9);
}
