import { readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import type { Random } from '../../lib/index.ts';
import { listenAt } from './protocol.ts';
import type { SupervisorDirectory } from './state-directory.ts';

/**
 * Takes a state directory for this process, or returns undefined when another one has it. The lock is a name in
 * the kernel's table of sockets: the kernel gives it to one process only and takes it back when that process ends,
 * however it ends, and needs no room on a disk. Closing the returned server gives it back.
 *
 * Any user can read a name that is in use in /proc/net/unix, and bind it later. So there are several, none to be guessed
 * from another: one that a stranger has is passed over, and one that another process of this user has counts for all.
 */
export async function takeLock(directory: SupervisorDirectory, random: Random): Promise<Server | undefined> {
  const names = directory.lockNames(random);
  for (const name of names) {
    const server = createServer((socket) => socket.destroy());
    try {
      await listenAt(server, `\0${name}`);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE') continue;
      throw error;
    }
    if (!isOurs(names.filter((other) => other !== name))) return server;
    await new Promise((resolve) => server.close(resolve));
    return undefined;
  }
  return undefined;
}

/** True when a process of this user listens at one of the names. */
function isOurs(names: readonly string[]): boolean {
  const wanted = new Set(names.map((name) => `@${name}`));
  const inodes = new Set<string>();
  for (const line of readFileSync('/proc/net/unix', 'utf8').split('\n')) {
    const [, , , , , , inode, name = ''] = line.split(/\s+/);
    if (wanted.has(name)) inodes.add(`socket:[${inode}]`);
  }
  if (inodes.size === 0) return false;
  return readdirSync('/proc').some((pid) => /^\d+$/.test(pid) && hasOneOf(pid, inodes));
}

/** False also for a process that may not be looked into, which is another user's. */
function hasOneOf(pid: string, sockets: ReadonlySet<string>): boolean {
  try {
    if (statSync(`/proc/${pid}`).uid !== process.getuid!()) return false;
    return readdirSync(`/proc/${pid}/fd`).some((fd) => sockets.has(linkOf(`/proc/${pid}/fd/${fd}`)));
  } catch {
    return false;
  }
}

function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return '';
  }
}
