/** Shared by the tests of Consul's API: real machines on a real store, each with its API on a free port. */
import { request } from 'node:http';
import { openKv } from '../kv/index.ts';
import { systemClock as clock, type Log, systemRandom as random, silentLog, type UnreadLimits } from '../lib/index.ts';
import { type Catalog, ExternalNodes, openCatalog } from '../services/index.ts';
import { machine, openTestStore, PublishingMachine } from '../services/test-services.ts';
import { type ConsulServer, SessionKeeper, serveConsul } from './index.ts';

export interface TestConsul {
  readonly catalog: Catalog;
  readonly machine: PublishingMachine;
  readonly keeper: SessionKeeper;
  readonly server: ConsulServer;
  readonly port: number;
  readonly url: string;
  close(): Promise<void>;
}

export interface TestConsulCluster {
  readonly machines: readonly TestConsul[];
  /** Adds a machine to the cluster. */
  add(): Promise<TestConsul>;
}

/** Opens a cluster of machines `m1`, `m2`, …, the first of which leads; closes it after the tests of the file. */
export async function openTestConsul(
  count = 1,
  log: Log = silentLog,
  unread: UnreadLimits = {},
): Promise<TestConsulCluster> {
  const store = await openTestStore();
  const cluster = store.newCluster();
  const machines: TestConsul[] = [];
  const add = async () => {
    const number = machines.length + 1;
    const id = String(number).padStart(32, 'a');
    const self = machine(id, { name: `m${number}`, address: `127.0.1.${number}` });
    const own = new PublishingMachine(store, cluster, self);
    await own.join();
    const catalog = openCatalog({ cluster, ...store.options });
    await catalog.sync();
    const closing = new AbortController();
    const signal = AbortSignal.any([store.signal, closing.signal]);
    const kv = openKv({ store: store.store, prefix: '/consul-test/', clock, random, log, signal });
    const keeper = new SessionKeeper({ kv, catalog, clock, random, log, signal });
    const listen = [{ host: '127.0.0.1', port: 0 }];
    const leader = async () => machines[0]?.machine.self.id;
    const externals = new ExternalNodes({ cluster, catalog });
    const parts = {
      catalog,
      local: own.local,
      externals,
      kv,
      machine: id,
      datacenter: 'dc1',
      leader,
      clock,
      random,
      log,
    };
    const server = await serveConsul({ ...parts, listen, unread });
    const { port } = server.addresses[0]!;
    const close = async () => {
      closing.abort();
      await server.close();
    };
    store.signal.addEventListener('abort', () => void close(), { once: true });
    const made = { catalog, machine: own, keeper, server, port, url: `http://127.0.0.1:${port}`, close };
    machines.push(made);
    return made;
  };
  for (let number = 0; number < count; number++) await add();
  machines[0]!.keeper.lead(true);
  return { machines, add };
}

export interface Got {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
  readonly index: number;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of all shapes.
  readonly json: any;
}

/** Sends one request over a connection of its own. */
export function call(method: string, url: string, body: string | Buffer | object = ''): Promise<Got> {
  const bytes = typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body);
  return new Promise((resolve, reject) => {
    const sent = request(url, { method, agent: false }, async (response) => {
      const chunks: Buffer[] = [];
      for await (const chunk of response as AsyncIterable<Buffer>) chunks.push(chunk);
      const text = Buffer.concat(chunks).toString('utf8');
      const index = Number(response.headers['x-consul-index'] ?? 0);
      resolve({
        status: response.statusCode!,
        headers: response.headers,
        body: text,
        index,
        get json() {
          return JSON.parse(text);
        },
      });
    });
    sent.on('error', reject);
    sent.end(bytes);
  });
}

export const get = (url: string): Promise<Got> => call('GET', url);
export const put = (url: string, body: string | Buffer | object = ''): Promise<Got> => call('PUT', url, body);

/** Repeats the request until the response is as wanted. */
export async function until(ask: () => Promise<Got>, wanted: (got: Got) => boolean, withinMs = 15_000): Promise<Got> {
  const deadline = clock.monotonic() + withinMs;
  for (;;) {
    const got = await ask();
    if (wanted(got)) return got;
    if (clock.monotonic() > deadline) throw new Error(`not as wanted: ${got.status} ${got.body}`);
    await clock.sleep(20);
  }
}
