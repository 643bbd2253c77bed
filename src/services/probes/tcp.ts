import { connect } from 'node:net';
import type { ActiveProbe, CheckResult } from '../check-result.ts';

/** Passing when a connection can be made. */
export function probeTcp(
  { host, port }: Extract<ActiveProbe, { type: 'tcp' }>,
  signal: AbortSignal,
): Promise<CheckResult> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port });
    const settle = (end: () => void) => {
      signal.removeEventListener('abort', abort);
      socket.destroy();
      end();
    };
    const abort = () => settle(() => reject(signal.reason));
    socket.once('connect', () =>
      settle(() => resolve({ status: 'passing', output: `TCP connect ${host}:${port}: Success` })),
    );
    socket.on('error', (error) => settle(() => reject(error)));
    signal.addEventListener('abort', abort, { once: true });
  });
}
