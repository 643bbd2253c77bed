import { createSocket } from 'node:dgram';
import { connect, isIPv6 } from 'node:net';
import { type Clock, FlotillaError, type HostPort, within } from '../lib/index.ts';
import { HEADER_BYTES, readQuestion } from './message.ts';

export interface RecursorOptions {
  readonly recursor: HostPort;
  readonly clock: Clock;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

/**
 * Sends the query to one recursor by UDP from a fresh port and resolves with its response. Ignores messages that do not
 * belong to this query.
 */
export function askUdp(packet: Buffer, { recursor, ...options }: RecursorOptions): Promise<Buffer> {
  return withDeadline(options, (resolve, reject) => {
    const socket = createSocket(isIPv6(recursor.host) ? 'udp6' : 'udp4');
    socket.on('error', reject);
    socket.on('message', (answer) => {
      if (answers(answer, packet)) resolve(answer);
    });
    // A connected socket receives from this recursor only, and reports a port on which nobody listens. `connect`
    // without a callback: Node would call the callback on failure too, whereas `error` is emitted for an unreachable
    // recursor.
    socket.on('connect', () => socket.send(packet));
    socket.connect(recursor.port, recursor.host);
    return () => socket.close();
  });
}

/** Sends the query to one recursor by TCP and resolves with its response. */
export function askTcp(packet: Buffer, { recursor, ...options }: RecursorOptions): Promise<Buffer> {
  return withDeadline(options, (resolve, reject) => {
    const socket = connect({ host: recursor.host, port: recursor.port });
    let read: Buffer = Buffer.alloc(0);
    socket.on('error', reject);
    socket.on('close', () => reject(new FlotillaError('unavailable', 'the connection was closed without an answer')));
    socket.on('data', (chunk: Buffer) => {
      read = Buffer.concat([read, chunk]);
      if (read.length < 2 || read.length < 2 + read.readUInt16BE(0)) return;
      const answer = read.subarray(2, 2 + read.readUInt16BE(0));
      if (answers(answer, packet)) resolve(answer);
      else reject(new FlotillaError('unavailable', 'the answer is to another question'));
    });
    const length = Buffer.alloc(2);
    length.writeUInt16BE(packet.length);
    socket.write(Buffer.concat([length, packet]));
    return () => socket.destroy();
  });
}

/**
 * Runs `start` until it settles, the time is over, or the server closes; then calls the function that `start` returned.
 */
function withDeadline(
  { clock, timeoutMs, signal }: Omit<RecursorOptions, 'recursor'>,
  start: (resolve: (answer: Buffer) => void, reject: (error: unknown) => void) => () => void,
): Promise<Buffer> {
  return within(signal, (resolve, reject) => {
    const cancel = clock.after(timeoutMs, () => reject(new FlotillaError('timeout', 'no answer in time')));
    const stop = start(resolve, reject);
    return () => {
      cancel();
      stop();
    };
  });
}

function answers(answer: Buffer, packet: Buffer): boolean {
  if (answer.length < HEADER_BYTES || (answer[2]! & 0x80) === 0) return false;
  if (answer.readUInt16BE(0) !== packet.readUInt16BE(0)) return false;
  const [asked, told] = [readQuestion(packet), readQuestion(answer)];
  return asked?.name === told?.name && asked?.type === told?.type && asked?.class === told?.class;
}
