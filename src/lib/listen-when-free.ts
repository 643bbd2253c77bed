import type { Clock } from './clock.ts';
import { messageOf } from './errors.ts';
import { formatHostPort, type HostPort } from './host-port.ts';
import type { Log } from './log.ts';

export interface ListenOptions {
  /** The name of the server in log lines: `DNS`. */
  readonly what: string;
  readonly address: HostPort;
  /** Binds and listens; rejects with the system's error. */
  readonly open: (address: HostPort) => Promise<void>;
  readonly clock: Clock;
  readonly log: Log;
  readonly signal: AbortSignal;
}

const RETRY_MS = 1000;

/**
 * Listens at the address. After a failure it logs the reason once and retries in the background: another process may
 * give the port up, or the address may belong to an interface that comes up later. Resolves after the first attempt,
 * with true when that succeeded.
 */
export async function listenWhenFree(options: ListenOptions): Promise<boolean> {
  const { what, address, open, log } = options;
  try {
    await open(address);
    return true;
  } catch (error) {
    log.error('Cannot listen, trying again until it can be had', {
      what,
      address: formatHostPort(address),
      reason: reasonOf(error),
    });
    void tryOn(options);
    return false;
  }
}

async function tryOn({ what, address, open, clock, log, signal }: ListenOptions): Promise<void> {
  for (;;) {
    await clock.sleep(RETRY_MS, signal).catch(() => {});
    if (signal.aborted) return;
    try {
      await open(address);
      log.info('Listening after all', { what, address: formatHostPort(address) });
      return;
    } catch (error) {
      log.debug('Still cannot listen', { what, address: formatHostPort(address), reason: reasonOf(error) });
    }
  }
}

function reasonOf(error: unknown): string {
  const reasons: Readonly<Record<string, string>> = {
    EADDRINUSE: 'another program listens there',
    EACCES: 'permission denied',
    EADDRNOTAVAIL: 'this machine has no such address',
  };
  return reasons[(error as NodeJS.ErrnoException).code ?? ''] ?? messageOf(error);
}
