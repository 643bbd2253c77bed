import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import path from 'node:path';
import { FlotillaError, messageOf } from '../lib/index.ts';
import type { ListenAddress } from './data-plane.ts';

/** Which process routes for a machine, by the file that it leaves in its directory. */
export interface RouterProcess {
  readonly pid: number;
  /** Tells it from another one that was given the same number later. */
  readonly startTime: string;
}

/** The router process of a directory, when it runs. */
export function findRouter(directory: string): RouterProcess | undefined {
  try {
    const found = JSON.parse(readFileSync(pidFile(directory), 'utf8')) as RouterProcess;
    return startTimeOf(found.pid) === found.startTime ? found : undefined;
  } catch {
    return undefined;
  }
}

/** This process is the one from now on. */
export function recordRouter(directory: string): void {
  const self: RouterProcess = { pid: process.pid, startTime: startTimeOf(process.pid)! };
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  writeFileSync(`${pidFile(directory)}.new`, JSON.stringify(self));
  renameSync(`${pidFile(directory)}.new`, pidFile(directory));
}

/** Signals the router process of a directory; false when there is none. */
export function signalRouter(directory: string, signal: NodeJS.Signals): boolean {
  const found = findRouter(directory);
  if (found === undefined) return false;
  try {
    process.kill(found.pid, signal);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
    throw error;
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

function pidFile(directory: string): string {
  return path.join(directory, 'router.pid');
}

/** When a process began, in the kernel's words; undefined when there is none. */
function startTimeOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
  } catch {
    return undefined;
  }
}
