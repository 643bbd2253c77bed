import { connect } from 'node:net';
import type { Backend } from '../route-table.ts';

/** Errors that prove that the machine is there: its kernel sends them when the backend has ended. */
const REFUSED: ReadonlySet<string> = new Set(['ECONNREFUSED', 'ECONNRESET']);

/** Resolves with true when the backend's machine does not respond to a new connection within `timeoutMs`. */
export function isSilent({ address, port }: Backend, timeoutMs: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: address, port, timeout: timeoutMs });
    const settle = (silent: boolean) => {
      resolve(silent);
      socket.destroy();
    };
    socket.on('connect', () => settle(false));
    socket.on('timeout', () => settle(true));
    socket.on('error', (error: NodeJS.ErrnoException) => settle(isSilence(error)));
  });
}

/** A name that cannot be resolved proves nothing about its machine. */
function isSilence({ code = '', syscall }: NodeJS.ErrnoException): boolean {
  return syscall !== 'getaddrinfo' && !REFUSED.has(code);
}
