import type { Clock } from './clock.ts';
import { messageOf } from './errors.ts';
import { formatHostPort, type HostPort } from './host-port.ts';
import type { Log } from './log.ts';

export interface ListenOptions {
  /** What is offered there, as it stands in the log: `DNS`. */
  readonly what: string;
  readonly address: HostPort;
  /** Begins to listen; rejects with the error of the system. */
  readonly open: (address: HostPort) => Promise<void>;
  readonly clock: Clock;
  readonly log: Log;
  readonly signal: AbortSignal;
}

const RETRY_MS = 1000;

/**
 * Listens, or says once why that cannot be and tries on in the background until it can: the port may be given up by whoever
 * has it, and the address may be that of an interface which is not there yet. Resolves after the first try, true when it succeeded.
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
