import { connect } from 'node:net';
import type { Backend } from '../route-table.ts';

/** Words of a machine that is there: of its kernel, where the backend has ended. */
const REFUSED: ReadonlySet<string> = new Set(['ECONNREFUSED', 'ECONNRESET']);

/** True when the backend's machine does not respond to a new connection within that time. */
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

/** A name that cannot be resolved says nothing of its machine. */
function isSilence({ code = '', syscall }: NodeJS.ErrnoException): boolean {
  return syscall !== 'getaddrinfo' && !REFUSED.has(code);
}
