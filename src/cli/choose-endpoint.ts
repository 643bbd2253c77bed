import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type Endpoint, labDirectory, parseEndpoint } from '../client/index.ts';
import { readStateFile } from '../lib/index.ts';
import type { Flags } from './flags.ts';
import { DEFAULT_ENDPOINT } from './global-flags.ts';
import type { Io } from './io.ts';

/**
 * Returns the endpoints to try, in order: the one the user named; else, with --tunnel, the default one there; else this
 * machine's own fleetd; else the machines of this computer's lab; else the default, which then does not exist.
 */
export function chooseEndpoints(flags: Flags, io: Io): Endpoint[] {
  if (flags.has('endpoint')) {
    const [first, ...others] = flags
      .text('endpoint')
      .split(',')
      .map((text) => text.trim());
    if (others.length > 0) io.err(`multiple endpoints provided but only the first (${first}) is used\n`);
    return [parseEndpoint(first!)];
  }
  const own = parseEndpoint(DEFAULT_ENDPOINT);
  // With a tunnel, the default socket is the one at its other end.
  if (flags.text('tunnel') !== '') return [own];
  if (own.kind === 'unix' && existsSync(own.path)) return [own];
  const lab = labEndpoints(io.env);
  return lab.length > 0 ? lab : [own];
}

interface ListedMachine {
  readonly endpoint?: string;
  readonly socket?: string;
  readonly state?: string;
}

/** Returns sockets and TCP endpoints of the lab's machines, running ones first; empty when there is no lab. */
export function labEndpoints(env: Io['env']): Endpoint[] {
  let listed: unknown;
  try {
    listed = JSON.parse(readStateFile(join(labDirectory(env), 'lab.json'))).machines;
  } catch {
    return [];
  }
  // A damaged lab.json is reported by `fleetctl lab`; here it counts as none.
  const machines = Array.isArray(listed) ? listed.filter(isListedMachine) : [];
  const isUp = ({ state }: ListedMachine) => state === undefined || state === 'up';
  const ordered = [...machines.filter(isUp), ...machines.filter((machine) => !isUp(machine))];
  return ordered.flatMap(({ socket, endpoint }) => {
    if (socket !== undefined && existsSync(socket)) return [{ kind: 'unix', path: socket } as const];
    return endpoint === undefined ? [] : [parseEndpoint(endpoint)];
  });
}

function isListedMachine(value: unknown): value is ListedMachine {
  if (typeof value !== 'object' || value === null) return false;
  const { endpoint, socket, state } = value as Readonly<Record<keyof ListedMachine, unknown>>;
  return [endpoint, socket, state].every((text) => text === undefined || typeof text === 'string');
}
