import { systemClock as clock } from '../lib/index.ts';

/** npm forwards a Ctrl-C that the terminal has sent to this program already: count both as one. */
const SAME_PRESS_MS = 800;

/** Requests to end: Ctrl-C and signals. */
export interface Interrupts {
  /** Aborts at the first request. */
  readonly first: AbortSignal;
  /** Aborts at the second request. */
  readonly again: AbortSignal;
}

/** Takes over the signals: from now on this program stops by itself instead of being ended by them. */
export function takeInterrupts(): Interrupts {
  const first = new AbortController();
  const again = new AbortController();
  let firstAt: number | undefined;
  const onSignal = () => {
    firstAt ??= clock.monotonic();
    if (!first.signal.aborted) first.abort();
    else if (clock.monotonic() - firstAt > SAME_PRESS_MS) again.abort();
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    // fleetctl ends at once on these signals; a lab must be stopped first.
    process.removeAllListeners(signal);
    process.on(signal, onSignal);
  }
  return { first: first.signal, again: again.signal };
}
