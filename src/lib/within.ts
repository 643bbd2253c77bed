/** Sets up what settles a promise; returns the function that takes it down again. */
export type Begin<T> = (resolve: (value: T) => void, reject: (error: unknown) => void) => () => void;

/**
 * Returns a promise that `begin` settles; rejects with the signal's reason when that is aborted first. Whichever it is, the
 * function that `begin` has returned is called, once, and the signal keeps no listener.
 */
export function within<T>(signal: AbortSignal | undefined, begin: Begin<T>): Promise<T> {
  return race(signal, begin, (_, reject) => reject(signal?.reason));
}

/** As `within`, but resolves with undefined when the signal is aborted first. */
export function unlessAborted<T>(signal: AbortSignal, begin: Begin<T>): Promise<T | undefined> {
  return race<T | undefined>(signal, begin, (resolve) => resolve(undefined));
}

function race<T>(
  signal: AbortSignal | undefined,
  begin: Begin<T>,
  end: (resolve: (value: T) => void, reject: (error: unknown) => void) => void,
): Promise<T> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return end(resolve, reject);
    let isOver = false;
    let takeDown = () => {};
    const settle = (how: () => void) => {
      if (isOver) return;
      isOver = true;
      signal?.removeEventListener('abort', aborted);
      takeDown();
      how();
    };
    const aborted = () => settle(() => end(resolve, reject));
    takeDown = begin(
      (value) => settle(() => resolve(value)),
      (error) => settle(() => reject(error)),
    );
    if (isOver) takeDown();
    else signal?.addEventListener('abort', aborted, { once: true });
  });
}
