import type { Socket } from 'node:net';
import type { Clock } from '../lib/index.ts';
import type { Answerer } from './answerer.ts';

const IDLE_MS = 10_000;
/** Answers that wait for a slow reader, in bytes, before no more questions are read from it. */
const MAX_WAITING_BYTES = 256 * 1024;

/** Questions and answers over one TCP connection, each behind its length in two bytes (RFC 7766). */
export function serveTcpConnection(socket: Socket, answerer: Answerer, clock: Clock): void {
  let rest: Buffer = Buffer.alloc(0);
  let stopIdle = () => {};
  // A connection that brings no whole question in this time is closed, however slowly it sends one.
  const touch = () => {
    stopIdle();
    stopIdle = clock.after(IDLE_MS, () => socket.destroy());
  };
  const send = (reply: Buffer) => {
    if (socket.destroyed) return;
    const length = Buffer.alloc(2);
    length.writeUInt16BE(reply.length);
    socket.cork();
    socket.write(length);
    socket.write(reply);
    socket.uncork();
    if (socket.writableLength > MAX_WAITING_BYTES) socket.pause();
  };
  socket.on('data', (chunk: Buffer) => {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    while (rest.length >= 2) {
      const end = 2 + rest.readUInt16BE(0);
      if (rest.length < end) break;
      touch();
      answerer.answer(rest.subarray(2, end), 'tcp', send);
      rest = rest.subarray(end);
    }
  });
  socket.on('drain', () => socket.resume());
  socket.on('error', () => socket.destroy());
  socket.once('close', () => stopIdle());
  touch();
}
