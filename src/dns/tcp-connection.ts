import type { Socket } from 'node:net';
import type { Clock } from '../lib/index.ts';
import type { Answerer } from './answerer.ts';

const IDLE_MS = 10_000;
/** Bytes of responses that a slow client has not read, above which no further query is read from it. */
const MAX_WAITING_BYTES = 64 * 1024;
/** Queries of one connection that wait for a recursor, above which no further query is read from it. */
const MAX_UNDER_WAY = 100;

/** Serves queries over one TCP connection; each message follows its length in two bytes (RFC 7766 §8). */
export function serveTcpConnection(socket: Socket, answerer: Pick<Answerer, 'answer'>, clock: Clock): void {
  let rest: Buffer = Buffer.alloc(0);
  let underWay = 0;
  let stopIdle = () => {};
  // Close a connection that completes no query in this time, however slowly it sends one. A client that reads no
  // responses is closed too, since its queries are not read then.
  const touch = () => {
    stopIdle();
    stopIdle = clock.after(IDLE_MS, () => socket.destroy());
  };
  const isFull = () => socket.writableLength > MAX_WAITING_BYTES || underWay >= MAX_UNDER_WAY;
  const send = (reply: Buffer) => {
    if (socket.destroyed) return;
    const length = Buffer.alloc(2);
    length.writeUInt16BE(reply.length);
    socket.cork();
    socket.write(length);
    socket.write(reply);
    socket.uncork();
  };
  const ask = (packet: Buffer) => {
    let later = false;
    later = answerer.answer(packet, 'tcp', (reply) => {
      if (later) underWay--;
      send(reply);
      if (later) take();
    });
    if (later) underWay++;
  };
  // One chunk may hold a thousand queries, and each response may be a thousand times as long as its query.
  const take = () => {
    while (rest.length >= 2 && !isFull() && !socket.destroyed) {
      const end = 2 + rest.readUInt16BE(0);
      if (rest.length < end) break;
      touch();
      const packet = rest.subarray(2, end);
      rest = rest.subarray(end);
      ask(packet);
    }
    if (isFull()) socket.pause();
    else socket.resume();
  };
  socket.on('data', (chunk: Buffer) => {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    take();
  });
  socket.on('drain', take);
  socket.on('error', () => socket.destroy());
  socket.once('close', () => stopIdle());
  touch();
}
