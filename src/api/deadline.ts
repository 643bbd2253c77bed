import type { Clock, FlotillaError } from '../lib/index.ts';

/**
 * The promise's outcome, or the error `late` makes when it takes longer than `ms`. The work itself goes on: whoever
 * started it decides whether to cancel it.
 */
export function withDeadline<T>(
  promise: Promise<T>,
  ms: number,
  options: { readonly clock: Clock; readonly late: () => FlotillaError },
): Promise<T> {
  return new Promise((resolve, reject) => {
    const cancel = options.clock.after(ms, () => reject(options.late()));
    promise.then(resolve, reject).finally(cancel);
  });
}
