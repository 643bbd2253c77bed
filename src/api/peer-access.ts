import { createHash, timingSafeEqual } from 'node:crypto';
import { type IncomingMessage, request } from 'node:http';
import type { Cluster } from '../cluster/index.ts';
import { type Clock, FlotillaError, messageOf } from '../lib/index.ts';
import type { Machine } from '../model/index.ts';
import type { ApiErrorBody } from './schema.ts';
import type { ViewOnDemand } from './view-on-demand.ts';

export interface PeerAccessOptions {
  readonly cluster: Cluster;
  readonly view: ViewOnDemand;
  readonly clock: Clock;
  /** Longest time to wait for the head of another machine's answer, in milliseconds. */
  readonly timeoutMs: number;
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

  /** GET of another fleetd's peer route, once its head is there with status 200. Ends when the signal aborts. */
  async get(machine: Machine, path: string, signal: AbortSignal): Promise<IncomingMessage> {
    if (machine.endpoint === undefined) {
      throw peerError(machine, 'its fleetd listens on no TCP port: add one to its listeners');
    }
    const url = new URL(`/fleet/v1/peer${path}`, machine.endpoint);
    const response = await this.#request(url, machine, signal);
    if (response.statusCode === 200) return response;
    const body = await readText(response).catch(messageOf);
    throw peerError(machine, errorMessage(body) ?? `it answered with status ${response.statusCode}`);
  }

  /** GET of another fleetd's peer route as JSON, within the time limit as a whole. */
  async getJson<T>(machine: Machine, path: string, signal: AbortSignal): Promise<T> {
    const { clock, timeoutMs } = this.#options;
    const late = new AbortController();
    const cancel = clock.after(timeoutMs, () => late.abort(peerError(machine, 'it did not answer in time')));
    try {
      const response = await this.get(machine, path, AbortSignal.any([signal, late.signal]));
      return JSON.parse(await readText(response)) as T;
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
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    sizeBytes += chunk.byteLength;
    if (sizeBytes > MAX_ANSWER_BYTES) throw new Error('the answer is too long');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

function errorMessage(body: string): string | undefined {
  try {
    return (JSON.parse(body) as Partial<ApiErrorBody>).error?.message;
  } catch {
    return undefined;
  }
}
