import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { TestContext } from 'node:test';
import { systemClock as clock, isFlotillaError, systemRandom as random, silentLog } from '../../src/lib/index.ts';
import { freePort } from '../../src/lib/test-free-port.ts';
import { type EmbeddedStoreOptions, startEmbeddedStore } from '../../src/store/embedded/index.ts';
import { EtcdClient } from '../../src/store/etcd-client.ts';
import { type EtcdStoreOptions, openEtcdStore, type Store, type TlsOptions } from '../../src/store/index.ts';
import { CompactionRequest, HeaderResponse, METHODS } from '../../src/store/proto/index.ts';

/** A running store server with a directory of its own. */
export interface TestServer {
  readonly endpoint: string;
  readonly port: number;
  /** Stops serving and starts again at the same address with the same data. */
  restart(): Promise<void>;
  /** Stops serving and removes the data. */
  stop(): Promise<void>;
}

export interface ServerKind {
  readonly name: string;
  /** Why it cannot run on this computer. */
  readonly skip: string | false;
  start(): Promise<TestServer>;
}

/** The embedded store in this process. */
export async function startEmbedded(options: Partial<EmbeddedStoreOptions> = {}): Promise<TestServer> {
  const directory = mkdtempSync(path.join(tmpdir(), 'flotilla-store-'));
  const open = (port: number) =>
    startEmbeddedStore({ directory, host: '127.0.0.1', port, clock, random, log: silentLog, ...options });
  let store = await open(0);
  const { endpoint, port } = store;
  return {
    endpoint,
    port,
    async restart() {
      await store.close();
      store = await open(port);
    },
    async stop() {
      await store.close();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

export interface EtcdOptions {
  readonly args?: readonly string[];
  /** Serve https, and ask with these certificates. */
  readonly tls?: TlsOptions;
}

/** A real etcd of one member. */
export async function startEtcd({ args: extraArgs = [], tls }: EtcdOptions = {}): Promise<TestServer> {
  const directory = mkdtempSync(path.join(tmpdir(), 'flotilla-etcd-'));
  const [port, peerPort] = [await freePort(), await freePort()];
  const endpoint = `${tls ? 'https' : 'http'}://127.0.0.1:${port}`;
  const peer = `http://127.0.0.1:${peerPort}`;
  const client = ['--listen-client-urls', endpoint, '--advertise-client-urls', endpoint];
  const peers = ['--listen-peer-urls', peer, '--initial-advertise-peer-urls', peer];
  const args = ['--data-dir', directory, '--log-level', 'error', ...client, ...peers];
  args.push('--initial-cluster', `default=${peer}`, ...extraArgs);
  let process = await spawnEtcd(args, endpoint, tls);
  return {
    endpoint,
    port,
    async restart() {
      await kill(process);
      process = await spawnEtcd(args, endpoint, tls);
    },
    async stop() {
      await kill(process);
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

async function spawnEtcd(args: readonly string[], endpoint: string, tls?: TlsOptions): Promise<ChildProcess> {
  const child = spawn('etcd', args, { stdio: 'ignore' });
  const store = connectTo(endpoint, { tls });
  try {
    await eventually(async () => {
      await store.revision().catch((error) => {
        // It answers, if only that one must log in.
        if (isFlotillaError(error, 'unavailable')) throw error;
      });
    });
  } finally {
    await store.close();
  }
  return child;
}

async function kill(child: ChildProcess): Promise<void> {
  const exited = once(child, 'exit');
  child.kill('SIGKILL');
  await exited;
}

export const SERVER_KINDS: readonly ServerKind[] = [
  { name: 'embedded store', skip: false, start: () => startEmbedded() },
  {
    name: 'etcd',
    skip: hasProgram('etcd') ? false : 'etcd is not installed (apt install etcd-server)',
    start: () => startEtcd(),
  },
];

export function hasProgram(name: string): boolean {
  try {
    execFileSync('sh', ['-c', `command -v ${name}`], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

/** Ends these after the test, however it goes, in this order: what is left open would keep the whole file from ending. */
export function endAfter(
  test: TestContext,
  ...things: readonly ({ stop(): Promise<void> } | { close(): Promise<void> })[]
): void {
  test.after(async () => {
    for (const thing of things) await ('stop' in thing ? thing.stop() : thing.close());
  });
}

export function connectTo(endpoint: string, options: Partial<EtcdStoreOptions> = {}): Store {
  return openEtcdStore({ endpoints: [endpoint], clock, random, log: silentLog, ...options });
}

/** Makes the store forget what was before `revision`. */
export async function compact(endpoint: string, revision: number): Promise<void> {
  const client = new EtcdClient({ endpoints: [endpoint], clock, random, log: silentLog });
  const call = { path: METHODS.compact, request: CompactionRequest, response: HeaderResponse, repeatable: false };
  try {
    await client.call(call, { revision, physical: true });
  } finally {
    client.close();
  }
}

/** Repeats until `check` does not throw; throws its last failure after 15 s. */
export async function eventually<T>(check: () => Promise<T> | T): Promise<T> {
  const until = clock.monotonic() + 15_000;
  for (;;) {
    try {
      return await check();
    } catch (error) {
      if (clock.monotonic() > until) throw error;
      await clock.sleep(20);
    }
  }
}

/** A network between client and server that can be cut, or fall silent. */
export class Relay {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #silent = false;

  constructor(server: Server) {
    this.#server = server;
  }

  static async to(port: number): Promise<Relay> {
    const server = createServer();
    const relay = new Relay(server);
    server.on('connection', (near) => relay.#join(near, connect(port, '127.0.0.1')));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return relay;
  }

  get endpoint(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Breaks all connections; new ones are taken. */
  cut(): void {
    for (const socket of this.#sockets) socket.resetAndDestroy();
  }

  /** From here on nothing gets through, and nobody is told. */
  silence(): void {
    this.#silent = true;
    for (const socket of this.#sockets) socket.pause();
  }

  /** What was held back gets through. */
  speak(): void {
    this.#silent = false;
    for (const socket of this.#sockets) socket.resume();
  }

  async stop(): Promise<void> {
    if (!this.#server.listening) return;
    this.#server.close();
    this.cut();
    await once(this.#server, 'close');
  }

  #join(near: Socket, far: Socket): void {
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      this.#sockets.add(from);
      from.on('error', () => to.destroy());
      from.on('close', () => {
        this.#sockets.delete(from);
        to.destroy();
      });
      from.on('data', (chunk) => to.write(chunk));
      if (this.#silent) from.pause();
    }
  }
}
