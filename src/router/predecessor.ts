import { closeSync, constants, openSync, readFileSync, writeFileSync, writeSync } from 'node:fs';
import { createServer } from 'node:net';
import path from 'node:path';
import { type Clock, FlotillaError, isZombie, makePrivateDirectory, messageOf, readStat } from '../lib/index.ts';
import type { ListenAddress } from './data-plane.ts';

/** Which process routes for a machine, by the file that it leaves in its directory. */
export interface RouterProcess {
  readonly pid: number;
  /** Tells it from another one that was given the same number later. */
  readonly startTime: string;
}

const ROUTER_PID = 'router.pid';
const RECORD_BYTES = 128;
const LOOK_AGAIN_MS = 10;
/** What HAProxy, where that carries the requests, is found by. */
export const HAPROXY_PID = 'haproxy.pid';

/** The router process of a directory, when it runs. */
export function findRouter(directory: string): RouterProcess | undefined {
  return findProcess(directory, ROUTER_PID);
}

/** True when what was started for a directory still has its addresses. */
export function isRouted(directory: string): boolean {
  return [ROUTER_PID, HAPROXY_PID].some((name) => findProcess(directory, name) !== undefined);
}

/** The process that is named in a file of the directory, when it runs. */
export function findProcess(directory: string, name: string): RouterProcess | undefined {
  try {
    const found = JSON.parse(readFileSync(path.join(directory, name), 'utf8')) as Partial<RouterProcess>;
    const { pid, startTime } = found;
    // A process that had ended when it was recorded has no start time.
    if (pid === undefined || startTime === undefined) return undefined;
    return startTimeOf(pid) === startTime ? { pid, startTime } : undefined;
  } catch {
    return undefined;
  }
}

/** This process is the one from now on. */
export function recordRouter(directory: string): void {
  recordProcess(directory, ROUTER_PID, process.pid);
}

/** Names a process in a file of the directory. */
export function recordProcess(directory: string, name: string, pid: number): void {
  overwrite(directory, name, JSON.stringify({ pid, startTime: startTimeOf(pid) }));
}

/** Names a process in a file of the directory as `findProcess` found it; when it has ended since, none is found again. */
export function recordAgain(directory: string, name: string, found: RouterProcess): void {
  overwrite(directory, name, JSON.stringify(found));
}

/** Makes sure that a later record finds room: on a full disk, before anything is given up for what could not be found. */
export function reserveRecord(directory: string, name: string): void {
  const found = findProcess(directory, name);
  if (found === undefined) overwrite(directory, name, '');
  else recordAgain(directory, name, found);
}

/** Over what is there, in one write of always the same length: a full disk has room for it once the file exists. */
function overwrite(directory: string, name: string, text: string): void {
  makePrivateDirectory(directory);
  const fd = openSync(path.join(directory, name), constants.O_WRONLY | constants.O_CREAT | constants.O_NOFOLLOW, 0o600);
  try {
    if (writeSync(fd, text.padEnd(RECORD_BYTES), 0) < RECORD_BYTES) throw new Error('the disk is full');
  } finally {
    closeSync(fd);
  }
}

/** Asks a router process to end what it has begun, and itself. */
export function retireRouter(router: RouterProcess | undefined): void {
  signal(router, 'SIGTERM');
}

/** The same of HAProxy, which may have outlived its router process. */
export function retireHaproxy(directory: string): void {
  signal(findProcess(directory, HAPROXY_PID), 'SIGUSR1');
}

/** Ends the router process of a directory in good order, or at once after `limitMs`, unless another has taken its place. */
export async function endRouter(
  directory: string,
  router: RouterProcess,
  clock: Clock,
  limitMs: number,
): Promise<void> {
  const isThere = () => findRouter(directory)?.pid === router.pid;
  if (!isThere()) return;
  retireRouter(router);
  const deadline = clock.monotonic() + limitMs;
  while (isThere() && clock.monotonic() < deadline) await clock.sleep(LOOK_AGAIN_MS);
  if (isThere()) killRouter(directory);
}

/** Ends whatever routes for a directory, at once. */
export function killRouter(directory: string): void {
  for (const name of [ROUTER_PID, HAPROXY_PID]) signal(findProcess(directory, name), 'SIGKILL');
}

/**
 * Lets what waits to be accepted by a process that stops listening go to the one that shares its address, instead of being
 * reset: a setting of Linux 5.14 and newer, for this network. Does nothing where only root may.
 */
export function moveWaitingConnections(): void {
  try {
    writeFileSync('/proc/sys/net/ipv4/tcp_migrate_req', '1');
  } catch (error) {
    if (!['EACCES', 'ENOENT', 'EPERM', 'EROFS'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
  }
}

function signal(target: RouterProcess | undefined, name: NodeJS.Signals): void {
  try {
    if (target !== undefined) process.kill(target.pid, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

/**
 * Rejects with FlotillaError `unavailable` when somebody listens at one of the addresses. Needed because the router shares
 * its addresses with the process that comes after it, and would share them with a stranger as well.
 */
export async function assertFree(addresses: readonly ListenAddress[]): Promise<void> {
  for (const { host, port } of addresses) if (port !== 0) await listenOnce(host, port);
}

function listenOnce(host: string, port: number): Promise<void> {
  const server = createServer();
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const because =
        error.code === 'EADDRINUSE'
          ? 'somebody else listens there; free it, or set router_listen or router=off'
          : messageOf(error);
      reject(new FlotillaError('unavailable', `the router cannot listen on ${host}:${port}: ${because}`));
    });
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve()));
  });
}

/** When a process began, in the kernel's words; undefined when there is none. */
function startTimeOf(pid: number): string | undefined {
  const stat = readStat(pid);
  return stat === undefined || isZombie(stat) ? undefined : String(stat.startTime);
}
