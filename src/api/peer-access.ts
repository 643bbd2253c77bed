import { createHash, timingSafeEqual } from 'node:crypto';
import { type IncomingMessage, request } from 'node:http';
import type { Cluster } from '../cluster/index.ts';
import { type Clock, expandUrl, FlotillaError, messageOf, readParts } from '../lib/index.ts';
import type { Machine } from '../model/index.ts';
import {
  type ApiErrorBody,
  type CallAt,
  type JsonOf,
  type PathOf,
  type PathValues,
  PREFIXES,
  type QuerySent,
} from './shapes/index.ts';
import type { ViewOnDemand } from './view-on-demand.ts';

export interface PeerAccessOptions {
  readonly cluster: Cluster;
  readonly view: ViewOnDemand;
  readonly clock: Clock;
  /** Longest time to wait for the head of another machine's answer, in milliseconds. */
  readonly timeoutMs: number;
}

type PeerPath = Extract<PathOf<'GET'>, `peer/${string}`>;

interface PeerAsked<Path extends PeerPath> {
  /** The path of the call, as the table of calls has it. */
  readonly call: Path;
  readonly path: PathValues<Path>;
  readonly query: QuerySent<CallAt<'GET', Path>>;
  readonly signal: AbortSignal;
}

/** A wrong secret makes fleetd read its own again, at most this often. */
const SECRET_RECHECK_MS = 5000;
const MAX_ANSWER_BYTES = 4 * 1024 * 1024;

/** How fleetds talk to each other: over their TCP listeners, showing the secret that the store keeps. */
export class PeerAccess {
  readonly #options: PeerAccessOptions;
  #secret: string | undefined;
  #readAtMs = Number.NEGATIVE_INFINITY;

  constructor(options: PeerAccessOptions) {
    this.#options = options;
  }

  /** Throws `unauthorized` unless the Authorization header shows the cluster's secret. */
  async assertPeer(authorization: string | undefined): Promise<void> {
    const shown = /^Bearer (.+)$/i.exec(authorization ?? '')?.[1];
    if (shown === undefined) throw unauthorized();
    if (sameText(shown, await this.#ownSecret())) return;
    // The store may have been made anew while this fleetd ran.
    if (this.#options.clock.monotonic() - this.#readAtMs > SECRET_RECHECK_MS) {
      this.#secret = undefined;
      if (sameText(shown, await this.#ownSecret())) return;
    }
    throw unauthorized();
  }

  /** The response to a peer call of another fleetd, once its head is there with status 200. Ends when the signal aborts. */
  async get<Path extends PeerPath>(machine: Machine, asked: PeerAsked<Path>): Promise<IncomingMessage> {
    if (machine.endpoint === undefined) {
      throw peerError(machine, 'its fleetd listens on no TCP port: add one to its listeners');
    }
    const path = expandUrl(asked.call, asked.path, asked.query);
    const response = await this.#request(new URL(`${PREFIXES[0]}/${path}`, machine.endpoint), machine, asked.signal);
    if (response.statusCode === 200) return response;
    const body = await readText(response).catch(messageOf);
    throw peerError(machine, errorMessage(body) ?? `it answered with status ${response.statusCode}`);
  }

  /** The JSON of a peer call of another fleetd, within the time limit as a whole. */
  async getJson<Path extends PeerPath>(machine: Machine, asked: PeerAsked<Path>): Promise<JsonOf<CallAt<'GET', Path>>> {
    const { clock, timeoutMs } = this.#options;
    const late = new AbortController();
    const cancel = clock.after(timeoutMs, () => late.abort(peerError(machine, 'it did not answer in time')));
    try {
      const signal = AbortSignal.any([asked.signal, late.signal]);
      return JSON.parse(await readText(await this.get(machine, { ...asked, signal })));
    } catch (error) {
      throw late.signal.aborted ? late.signal.reason : error;
    } finally {
      cancel();
    }
  }

  async #request(url: URL, machine: Machine, signal: AbortSignal): Promise<IncomingMessage> {
    const headers = { Authorization: `Bearer ${await this.#ownSecret()}` };
    const { clock, timeoutMs } = this.#options;
    return new Promise((resolve, reject) => {
      const sent = request(url, { headers, signal, agent: false });
      const cancel = clock.after(timeoutMs, () => sent.destroy(new Error('it did not answer in time')));
      sent.on('response', (response) => {
        cancel();
        resolve(response);
      });
      // Also after the head is there: a stream cut short reports here as well as on the response.
      sent.on('error', (error) => {
        cancel();
        reject(peerError(machine, error.message));
      });
      sent.end();
    });
  }

  async #ownSecret(): Promise<string> {
    if (this.#secret === undefined) {
      const { view, cluster, clock } = this.#options;
      this.#secret = await view.call(() => cluster.secret());
      this.#readAtMs = clock.monotonic();
    }
    return this.#secret;
  }
}

function unauthorized(): FlotillaError {
  return new FlotillaError('unauthorized', 'only fleetds of this cluster may ask this: the secret is missing or wrong');
}

function peerError(machine: Machine, reason: string): FlotillaError {
  return new FlotillaError('timeout', `machine ${machine.id} (${machine.address}) cannot be asked: ${reason}`);
}

/** Takes the same time however much of two texts is equal. */
function sameText(a: string, b: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(a), digest(b));
}

async function readText(response: IncomingMessage): Promise<string> {
  return (await readParts(response, MAX_ANSWER_BYTES, () => new Error('the answer is too long'))).toString();
}

function errorMessage(body: string): string | undefined {
  try {
    return (JSON.parse(body) as Partial<ApiErrorBody>).error?.message;
  } catch {
    return undefined;
  }
}
