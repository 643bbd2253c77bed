import { closeSync, openSync } from 'node:fs';
import { connect, type Server, type Socket } from 'node:net';
import { basename, dirname } from 'node:path';
import type { ErrorCode } from '../../lib/index.ts';
import type { LoadedUnit, RuntimeBatch, RuntimeState } from '../runtime.ts';
import type { UnitDescription } from './unit-description.ts';

/**
 * The talk between a fleetd and its supervisor process: one JSON value a line, on a unix socket only root may reach.
 * The number changes when the two ends of different versions would misunderstand each other; a client that meets
 * another number asks the process to retire and starts its own, which takes the units over. 3: units say whether they have
 * succeeded, and states how a unit ended. 4: the process stops units with OnPartition=stop when fleetd does not.
 */
export const PROTOCOL = 4;

export interface Calls {
  hello: { args: undefined; answer: { readonly protocol: number; readonly pid: number } };
  units: { args: undefined; answer: readonly LoadedUnit[] };
  apply: { args: RuntimeBatch; answer: readonly (readonly [string, string])[] };
  start: { args: readonly string[]; answer: readonly (readonly [string, string])[] };
  stop: { args: string; answer: null };
  reload: { args: string; answer: null };
  describe: { args: string; answer: UnitDescription | null };
  /** From now on, states come unasked: all at once first, then those that changed. */
  watch: { args: undefined; answer: null };
  /** Ends the process without harm to any unit. */
  retire: { args: undefined; answer: null };
}

export interface Request {
  readonly id: number;
  readonly call: keyof Calls;
  readonly args?: unknown;
}

export type SupervisorMessage =
  | { readonly id: number; readonly answer: unknown }
  | { readonly id: number; readonly error: { readonly code: ErrorCode; readonly message: string } }
  /** `null` is a unit that is not held any more; `all` says that units not named are not held. */
  | { readonly all: boolean; readonly states: readonly (readonly [string, RuntimeState | null])[] };

/** Calls `onLine` for every line that comes in. */
export function readLines(socket: Socket, onLine: (line: string) => void): void {
  let parts: string[] = [];
  socket.setEncoding('utf8');
  socket.on('data', (text: string) => {
    const lines = text.split('\n');
    if (lines.length > 1) {
      lines[0] = parts.join('') + lines[0]!;
      parts = [];
      for (const line of lines.slice(0, -1)) onLine(line);
    }
    const rest = lines.at(-1)!;
    if (rest !== '') parts.push(rest);
  });
}

/** What fits into a socket's address; state directories may lie deeper. */
const MAX_SOCKET_PATH = 107;

/** Calls `use` with a path for a socket that is short enough, whatever its real path is. */
function withShortPath<T>(path: string, use: (short: string) => T): T {
  if (Buffer.byteLength(path) <= MAX_SOCKET_PATH) return use(path);
  const fd = openSync(dirname(path), 'r');
  try {
    return use(`/proc/self/fd/${fd}/${basename(path)}`);
  } finally {
    closeSync(fd);
  }
}

export function connectTo(path: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = withShortPath(path, (short) => connect({ path: short }));
    socket.once('error', reject);
    socket.once('connect', () => {
      socket.off('error', reject);
      resolve(socket);
    });
  });
}

/** Listens at a path, or at a name without a place in the file system when it begins with a NUL. */
export function listenAt(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    const listening = () => {
      server.off('error', reject);
      resolve();
    };
    if (path.startsWith('\0')) server.listen(path, listening);
    else withShortPath(path, (short) => server.listen(short, listening));
  });
}
