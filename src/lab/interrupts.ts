import { systemClock as clock } from '../lib/index.ts';

/** npm passes Ctrl-C on to a program that the terminal has told already: that is one press, not two. */
const SAME_PRESS_MS = 800;

/** Ctrl-C, or whatever else asks this program to end. */
export interface Interrupts {
  /** Aborts at the first. */
  readonly first: AbortSignal;
  /** Aborts when the person asks again. */
  readonly again: AbortSignal;
}

/** From now on this program ends by itself after an interrupt, not by the signal. */
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
    // fleetctl itself ends at once at these; here there is something to be stopped first.
    process.removeAllListeners(signal);
    process.on(signal, onSignal);
  }
  return { first: first.signal, again: again.signal };
}
