import net from 'node:net';
import { systemRandom as random } from '../lib/index.ts';

/** True when nobody listens on that address and port. */
function isFree(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = net.createServer();
    server.once('error', () => resolve(false));
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(true)));
  });
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
