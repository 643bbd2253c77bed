import net from 'node:net';
import { systemClock as clock, systemRandom as random } from '../lib/index.ts';

/** True when no process listens on that address and port. */
async function isFree(host: string, port: number): Promise<boolean> {
  const server = await listen({ host, port, exclusive: true });
  if (server === undefined) return false;
  await new Promise((resolve) => server.close(resolve));
  return true;
}

/** Returns the first of `wanted` that is free on all hosts, else any other free port. */
export async function freePort(hosts: readonly string[], wanted: readonly number[]): Promise<number> {
  for (const port of wanted) if (await isFreeOnAll(hosts, port)) return port;
  for (;;) {
    const port = anyPort();
    if (await isFreeOnAll(hosts, port)) return port;
  }
}

async function isFreeOnAll(hosts: readonly string[], port: number): Promise<boolean> {
  return (await Promise.all(hosts.map((host) => isFree(host, port)))).every(Boolean);
}

/** Draws a port below Linux's ephemeral ports, which come and go. */
function anyPort(): number {
  return 16_384 + Math.floor(random.float() * 16_384);
}

const ATTEMPTS = 3;

/**
 * Starts a process that is to listen on `port` of a host. A free port may be taken by the time it is bound, for example
 * by another lab: when `start` fails for that reason, it is called again with another port.
 */
export async function startOnPort(host: string, port: number, start: (port: number) => Promise<void>): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await start(port);
    } catch (error) {
      if (attempt === ATTEMPTS || (await isFree(host, port))) throw error;
      port = await freePort([host], []);
    }
  }
}

/** An abstract socket: it ends with its process and belongs to one network namespace, as ports do. */
const CHOOSING = '\0flotilla-lab-ports';
const CHOOSING_WAIT_MS = 60_000;

/**
 * Runs `work`, which chooses ports and binds them, while no other lab of this computer does the same. Two that start at
 * once would choose the same ports, and their routers, made to share an address with their successor, would share it
 * with each other.
 */
export async function whileChoosingPorts<T>(work: () => Promise<T>): Promise<T> {
  const deadline = clock.monotonic() + CHOOSING_WAIT_MS;
  let lock = await listen({ path: CHOOSING });
  while (lock === undefined && clock.monotonic() < deadline) {
    await clock.sleep(20);
    lock = await listen({ path: CHOOSING });
  }
  try {
    return await work();
  } finally {
    lock?.close();
  }
}

/** Returns undefined when another process has the address. */
function listen(at: net.ListenOptions): Promise<net.Server | undefined> {
  const server = net.createServer();
  return new Promise((resolve) => {
    server.once('error', () => resolve(undefined));
    server.listen(at, () => resolve(server));
  });
}
