import net from 'node:net';

/** True when nobody listens on that address and port. */
function isFree(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = net.createServer();
    server.once('error', () => resolve(false));
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(true)));
  });
}

/** `wanted` if it is free on all the hosts, else another port that is. */
export async function freePort(hosts: readonly string[], wanted: number): Promise<number> {
  for (let port = wanted; ; port = await anyPort()) {
    const free = await Promise.all(hosts.map((host) => isFree(host, port)));
    if (port !== 0 && free.every(Boolean)) return port;
  }
}

function anyPort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = net.createServer();
    server.once('error', reject);
    server.listen({ host: '127.0.0.1', port: 0 }, () => {
      const { port } = server.address() as net.AddressInfo;
      server.close(() => resolve(port));
    });
  });
}

/** True when somebody accepts connections there. */
export function isListening(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect({ host, port });
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
}
