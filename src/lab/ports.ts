import net from 'node:net';
import { systemClock as clock, systemRandom as random } from '../lib/index.ts';

/** True when nobody listens on that address and port. */
async function isFree(host: string, port: number): Promise<boolean> {
  const server = await listen({ host, port, exclusive: true });
  if (server === undefined) return false;
  await new Promise((resolve) => server.close(resolve));
  return true;
}

/** The first of `wanted` that is free on all the hosts, else another port that is. */
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

/** Below those that Linux gives to outgoing connections, which come and go. */
function anyPort(): number {
  return 16_384 + Math.floor(random.float() * 16_384);
}

const ATTEMPTS = 3;

/**
 * Starts something that is to listen on `port` at a host. A port that was free may be somebody else's by the time it is
 * wanted, another lab's for one: when `start` fails and that is so, it is called again with another port.
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

/** Abstract: it goes with the process that listens there, and is of one network namespace, as ports are. */
const CHOOSING = '\0flotilla-lab-ports';
const CHOOSING_WAIT_MS = 60_000;

/**
 * Runs `work`, which chooses ports and has somebody listen on them, while no other lab on this computer does the same: two
 * that start at once would choose the same ones, and their routers, made to share an address with whoever comes after
 * them, would share it with each other.
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

/** Undefined when somebody else has the address. */
function listen(at: net.ListenOptions): Promise<net.Server | undefined> {
  const server = net.createServer();
  return new Promise((resolve) => {
    server.once('error', () => resolve(undefined));
    server.listen(at, () => resolve(server));
  });
}
