import {
  closeSync,
  constants,
  ftruncateSync,
  openSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { createServer } from 'node:net';
import path from 'node:path';
import {
  type Clock,
  FlotillaError,
  isInTheWay,
  isZombie,
  makePrivateDirectory,
  messageOf,
  readStat,
  readStateFile,
  replaceStateFile,
} from '../lib/index.ts';
import type { ListenAddress } from './data-plane.ts';

/** The router process of a machine, as recorded in its directory. */
export interface RouterProcess {
  readonly pid: number;
  /** Distinguishes it from a later process with the same pid. */
  readonly startTime: string;
}

const ROUTER_PID = 'router.pid';
const RECORD_BYTES = 128;
/** Neither through a link nor waiting for the reader of a FIFO. */
const OVERWRITE = constants.O_WRONLY | constants.O_CREAT | constants.O_NOFOLLOW | constants.O_NONBLOCK;
const LOOK_AGAIN_MS = 10;
/** The file that records HAProxy's process, where HAProxy carries the requests. */
export const HAPROXY_PID = 'haproxy.pid';

/**
 * Returns the router process of a directory, by its record or, where no record can be read, by its command; undefined when
 * none runs. A router that is not found keeps the port from its successor and routes for ever as it was last told.
 */
export function findRouter(directory: string): RouterProcess | undefined {
  return findProcess(directory, ROUTER_PID) ?? findByCommand(directory);
}

/** Another process of this user's that was started as `fleetd router --dir DIRECTORY`. */
function findByCommand(directory: string): RouterProcess | undefined {
  const ending = `\0router\0--dir\0${directory}\0`;
  const isOne = (pid: number) => {
    try {
      const isOurs = statSync(`/proc/${pid}`).uid === process.getuid!();
      return isOurs && pid !== process.pid && readFileSync(`/proc/${pid}/cmdline`, 'utf8').endsWith(ending);
    } catch {
      return false;
    }
  };
  const pid = readdirSync('/proc').map(Number).find(isOne);
  const startTime = pid === undefined ? undefined : startTimeOf(pid);
  return pid === undefined || startTime === undefined ? undefined : { pid, startTime };
}

/** True while a router or HAProxy of the directory holds its listeners. */
export function isRouted(directory: string): boolean {
  return [ROUTER_PID, HAPROXY_PID].some((name) => findProcess(directory, name) !== undefined);
}

/** Returns the process recorded in a file of the directory; undefined when it does not run. */
export function findProcess(directory: string, name: string): RouterProcess | undefined {
  try {
    const found = JSON.parse(readStateFile(path.join(directory, name))) as Partial<RouterProcess>;
    const { pid, startTime } = found;
    // The record of a process that had already ended has no start time.
    if (pid === undefined || startTime === undefined) return undefined;
    return startTimeOf(pid) === startTime ? { pid, startTime } : undefined;
  } catch {
    return undefined;
  }
}

/** Records this process as the router of the directory. */
export function recordRouter(directory: string): void {
  recordProcess(directory, ROUTER_PID, process.pid);
}

/** Records a process in a file of the directory. */
export function recordProcess(directory: string, name: string, pid: number): void {
  overwrite(directory, name, JSON.stringify({ pid, startTime: startTimeOf(pid) }));
}

/** Restores the record of a process returned by `findProcess`; if it has ended since, the record matches none. */
export function recordAgain(directory: string, name: string, found: RouterProcess): void {
  overwrite(directory, name, JSON.stringify(found));
}

/**
 * Creates the record's file at its full size in advance. On a full disk this fails before the old process is given up
 * for a new one that could not be recorded.
 */
export function reserveRecord(directory: string, name: string): void {
  const found = findProcess(directory, name);
  if (found === undefined) overwrite(directory, name, '');
  else recordAgain(directory, name, found);
}

/** Overwrites the file in one write of constant length, which a full disk has room for once the file exists. */
function overwrite(directory: string, name: string, text: string): void {
  makePrivateDirectory(directory);
  const file = path.join(directory, name);
  const record = text.padEnd(RECORD_BYTES);
  try {
    const fd = openSync(file, OVERWRITE, 0o600);
    try {
      if (writeSync(fd, record, 0) < RECORD_BYTES) throw new Error('the disk is full');
      // Nobody would find a router whose record ends in what a damaged one has left.
      ftruncateSync(fd, RECORD_BYTES);
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    if (!isInTheWay(error)) throw error;
    replaceStateFile(file, record);
  }
}

/** Tells a router process to finish its requests and then end. */
export function retireRouter(router: RouterProcess | undefined): void {
  signal(router, 'SIGTERM');
}

/** Tells HAProxy, which may have outlived its router process, to finish its requests and then end. */
export function retireHaproxy(directory: string): void {
  signal(findProcess(directory, HAPROXY_PID), 'SIGUSR1');
}

/**
 * Stops the router process of a directory gracefully, or kills it after `limitMs`, unless another has taken its place.
 */
export async function endRouter(
  directory: string,
  router: RouterProcess,
  clock: Clock,
  limitMs: number,
): Promise<void> {
  const isRecorded = () => (findProcess(directory, ROUTER_PID)?.pid ?? router.pid) === router.pid;
  const isThere = () => startTimeOf(router.pid) === router.startTime && isRecorded();
  if (!isThere()) return;
  retireRouter(router);
  const deadline = clock.monotonic() + limitMs;
  while (isThere() && clock.monotonic() < deadline) await clock.sleep(LOOK_AGAIN_MS);
  if (!isThere()) return;
  signal(router, 'SIGKILL');
  killRouter(directory);
}

/** Kills the router processes of a directory. */
export function killRouter(directory: string): void {
  for (const target of [findRouter(directory), findProcess(directory, HAPROXY_PID)]) signal(target, 'SIGKILL');
}

/**
 * Sets net.ipv4.tcp_migrate_req (Linux 5.14) in this network namespace: connections in the accept queue of a listener
 * that closes move to the one that shares its address instead of being reset. Does nothing without the permission.
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
 * Rejects with FlotillaError `unavailable` when another process listens at one of the addresses. Needed because the
 * router shares its addresses with its successor (SO_REUSEPORT), and would share them with a stranger as well.
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

/** Returns the start time of a process as /proc shows it; undefined when the process does not exist. */
function startTimeOf(pid: number): string | undefined {
  const stat = readStat(pid);
  return stat === undefined || isZombie(stat) ? undefined : String(stat.startTime);
}
