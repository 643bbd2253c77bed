import type { Socket } from 'node:net';
import type { Clock } from '../lib/index.ts';
import type { Answerer } from './answerer.ts';

const IDLE_MS = 10_000;
/** Responses that wait for a slow reader, in bytes, before no more questions are read from it. */
const MAX_WAITING_BYTES = 64 * 1024;
/** Questions of one connection that wait for another server's response, before no more are read from it. */
const MAX_UNDER_WAY = 100;

/** Questions and responses over one TCP connection, each behind its length in two bytes (RFC 7766). */
export function serveTcpConnection(socket: Socket, answerer: Pick<Answerer, 'answer'>, clock: Clock): void {
  let rest: Buffer = Buffer.alloc(0);
  let underWay = 0;
  let stopIdle = () => {};
  // A connection that brings no whole question in this time is closed, however slowly it sends one; so is one that reads
  // no responses, since no question of it is taken then.
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
  // One chunk may hold a thousand questions, and each response be a thousand times as long.
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
