import type { Server, Socket } from 'node:net';
import type { AdmitPeer } from './peer-owner.ts';

/** Has every connection of a server asked about once, when it comes. Returns what a request on one of them must wait for. */
export function askAboutPeers(
  server: Server,
  admitPeer: AdmitPeer | undefined,
): (socket: Socket) => Promise<string | undefined> | undefined {
  const asked = new WeakMap<Socket, Promise<string | undefined>>();
  server.on('connection', (socket: Socket) => {
    const answer = admitPeer?.(socket);
    if (answer === undefined) return;
    asked.set(socket, answer);
    // Of one that may, later requests need not wait.
    void answer.then((refusal) => refusal === undefined && asked.delete(socket));
  });
  return (socket) => asked.get(socket);
}
