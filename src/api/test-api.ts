/** What the API's tests share: a real cluster on the real embedded store, an API on real sockets, and plain requests. */
import { mkdtemp, rm } from 'node:fs/promises';
import { type IncomingHttpHeaders, type IncomingMessage, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Announcement, type Cluster, type Lease, openCluster } from '../cluster/index.ts';
import { silentLog, systemClock, systemRandom } from '../lib/index.ts';
import type { Machine, Placement, UnitStatus } from '../model/index.ts';
import { startEmbeddedStore } from '../store/embedded/index.ts';
import { openEtcdStore } from '../store/index.ts';
import { assertPromised } from './assert-promised.ts';
import { type Api, type ApiOptions, createApi, type Listener, Metrics, type ServedApi, serveApi } from './index.ts';

export interface ApiTestCluster {
  readonly cluster: Cluster;
  /** Where the store answers. */
  readonly endpoint: string;
  /** Stops the store, as if it had died. */
  stopStore(): Promise<void>;
  /** Starts it again on the same port and directory. */
  startStore(): Promise<void>;
  readonly directory: string;
  close(): Promise<void>;
}

const PARTS = { clock: systemClock, random: systemRandom, log: silentLog };

/** A cluster on an embedded store of its own, whose client gives up after `requestTimeoutMs`. */
export async function openTestCluster(requestTimeoutMs = 5000): Promise<ApiTestCluster> {
  const directory = await mkdtemp(join(tmpdir(), 'flotilla-api-'));
  const start = (port: number) =>
    startEmbeddedStore({ directory: join(directory, 'store'), host: '127.0.0.1', port, ...PARTS });
  let embedded = await start(0);
  const { endpoint, port } = embedded;
  const store = openEtcdStore({ endpoints: [endpoint], requestTimeoutMs, ...PARTS });
  const cluster = openCluster({ store, prefix: '/test/', ...PARTS });
  const stopStore = () => embedded.close();
  return {
    cluster,
    directory,
    endpoint,
    stopStore,
    startStore: async () => {
      embedded = await start(port);
    },
    close: async () => {
      await store.close();
      await stopStore();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

export interface TestApi extends ApiTestCluster {
  readonly api: Api;
  readonly served: ServedApi;
  /** Base URL of the first TCP listener. */
  readonly url: string;
}

export const SELF = 'a'.repeat(32);

/** An API on a free TCP port, with a cluster of its own unless one is given. */
export async function openTestApi(
  options: Partial<ApiOptions> & { readonly listeners?: readonly Listener[]; readonly on?: ApiTestCluster } = {},
): Promise<TestApi> {
  const { listeners = [{ host: '127.0.0.1', port: 0 }], on, ...more } = options;
  const test = on ?? (await openTestCluster());
  const api = createApi({
    cluster: test.cluster,
    machineId: SELF,
    version: '9.9.9',
    tokenLimit: 100,
    metrics: new Metrics(),
    ...PARTS,
    ...more,
  });
  const served = await serveApi(api, listeners);
  const close = async () => {
    await served.close();
    if (on === undefined) await test.close();
  };
  return { ...test, api, served, url: served.addresses.find((address) => address.startsWith('http')) ?? '', close };
}

export interface TestResponse {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  /** The body as JSON; undefined when it is none. */
  // biome-ignore lint/suspicious/noExplicitAny: tests look into it as they please and fail where it is not as expected.
  readonly json: any;
}

export interface AskOptions {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent as JSON, with its content type, unless it is a string already. */
  readonly body?: unknown;
  readonly socketPath?: string;
}

/** One request over a connection of its own; throws when the response is not what its call promises. */
export async function ask(url: string, options: AskOptions = {}): Promise<TestResponse> {
  const response = await open(url, options);
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  const text = Buffer.concat(chunks).toString();
  const received = { status: response.statusCode ?? 0, headers: response.headers, text, json: parse(text) };
  assertPromised(options.method ?? 'GET', url, received);
  return received;
}

/** The head of an answer; its body is the caller's. */
export function open(url: string, options: AskOptions = {}): Promise<IncomingMessage> {
  const { method = 'GET', body, socketPath } = options;
  const json = body === undefined || typeof body === 'string' ? {} : { 'content-type': 'application/json' };
  const headers = { ...json, ...options.headers };
  return new Promise((resolve, reject) => {
    const sent = request(url, { method, headers, agent: false, ...(socketPath === undefined ? {} : { socketPath }) });
    sent.on('response', resolve);
    sent.on('error', reject);
    sent.end(body === undefined || typeof body === 'string' ? body : JSON.stringify(body));
  });
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Waits until `check` answers something, at most ten seconds. */
export async function eventually<T>(what: string, check: () => T | undefined | Promise<T | undefined>): Promise<T> {
  const until = systemClock.monotonic() + 10_000;
  for (;;) {
    const value = await check();
    if (value !== undefined && value !== false) return value;
    if (systemClock.monotonic() > until) throw new Error(`still waiting for: ${what}`);
    await systemClock.sleep(10);
  }
}

export const service = (...lines: readonly string[]) => [
  { section: 'Unit', name: 'Description', value: 'A test' },
  { section: 'Service', name: 'ExecStart', value: '/bin/sleep infinity' },
  ...lines.map((line) => ({
    section: 'X-Fleet',
    name: line.slice(0, line.indexOf('=')),
    value: line.slice(line.indexOf('=') + 1),
  })),
];

export interface JoinedMachine {
  readonly lease: Lease;
  readonly machine: Machine;
  readonly announcement: Announcement;
}

/** Makes a machine be there under a lease of its own. */
export async function joinMachine(cluster: Cluster, id: string, more: Partial<Machine> = {}): Promise<JoinedMachine> {
  const lease = await cluster.lease(60_000);
  const resources = { cores: 1, memoryBytes: 1 << 30 };
  const machine: Machine = { id, address: '127.0.0.1', metadata: {}, resources, version: '9.9.9', ...more };
  const announcement = await cluster.announce(machine, `token of ${id}`, lease);
  if (announcement === 'taken') throw new Error(`machine ${id} is there already`);
  return { lease, machine, announcement };
}

/** Leads from that machine and places units there, as they are in the cluster. */
export async function place(
  cluster: Cluster,
  machine: JoinedMachine,
  placements: readonly (Pick<Placement, 'unit' | 'hash'> & Partial<Placement>)[],
): Promise<void> {
  const leadership = await cluster.campaign(machine.machine.id, machine.lease);
  if (leadership === undefined) throw new Error('another machine leads');
  const puts = placements.map((placement) => ({
    put: { machine: machine.machine.id, desired: 'launched' as const, reason: 'fewest units', ...placement },
  }));
  await leadership.place(puts);
}

/** Reports statuses of units on that machine. */
export async function report(
  cluster: Cluster,
  { announcement, machine }: JoinedMachine,
  statuses: readonly (Pick<UnitStatus, 'unit' | 'hash'> & Partial<UnitStatus>)[],
): Promise<void> {
  const full = statuses.map((status) => [status.unit, { ...RUNNING, machine: machine.id, ...status }] as const);
  await cluster.putStatuses(announcement, new Map(full));
}

const RUNNING = { state: 'launched', load: 'loaded', active: 'active', sub: 'running' } as const;
