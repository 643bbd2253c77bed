import type { Server, Socket } from 'node:net';
import type { AdmitPeer } from './peer-owner.ts';

/**
 * Calls `admit` once for each connection of a server. Returns a function that gives the promise a request must wait
 * for.
 */
export function askAboutPeers(
  server: Server,
  admitPeer: AdmitPeer | undefined,
): (socket: Socket) => Promise<string | undefined> | undefined {
  const asked = new WeakMap<Socket, Promise<string | undefined>>();
  server.on('connection', (socket: Socket) => {
    const answer = admitPeer?.(socket);
    if (answer === undefined) return;
    asked.set(socket, answer);
    // An admitted connection is forgotten, so that its later requests need not wait.
    void answer.then((refusal) => refusal === undefined && asked.delete(socket));
  });
  return (socket) => asked.get(socket);
}
