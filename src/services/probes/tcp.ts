import { connect } from 'node:net';
import { within } from '../../lib/index.ts';
import type { ActiveProbe, CheckResult } from '../check-result.ts';

/** Connects; passing when that succeeds. */
export function probeTcp(
  { host, port }: Extract<ActiveProbe, { type: 'tcp' }>,
  signal: AbortSignal,
): Promise<CheckResult> {
  return within(signal, (resolve, reject) => {
    const socket = connect({ host, port });
    socket.once('connect', () => resolve({ status: 'passing', output: `TCP connect ${host}:${port}: Success` }));
    socket.on('error', reject);
    return () => socket.destroy();
  });
}
