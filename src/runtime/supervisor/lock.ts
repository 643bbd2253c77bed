import { createServer, type Server } from 'node:net';
import type { Random } from '../../lib/index.ts';
import { listenAt } from './protocol.ts';
import type { StateDirectory } from './state-directory.ts';

/**
 * Takes a state directory for this process, or answers undefined when another one has it. Whoever can bind a name in
 * the kernel's table of sockets is the one: the kernel gives it to one process only and takes it back when that ends,
 * however it ends. Closing the answer gives it back.
 */
export async function takeLock(directory: StateDirectory, random: Random): Promise<Server | undefined> {
  const server = createServer((socket) => socket.destroy());
  try {
    await listenAt(server, `\0${directory.lockName(random)}`);
    return server;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE') return undefined;
    throw error;
  }
}
