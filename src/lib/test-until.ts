import { systemClock } from './clock.ts';

/**
 * Polls `holds` every 10 ms until it returns something other than false, null or undefined, and returns that. Throws an
 * error that names `what` after `limitMs`; the default is far above what any state takes on a busy machine.
 */
export async function until<T>(
  what: string,
  holds: () => T | Promise<T>,
  limitMs = 30_000,
): Promise<Exclude<T, false | null | undefined>> {
  const deadlineMs = systemClock.monotonic() + limitMs;
  for (;;) {
    const value = await holds();
    if (value !== undefined && value !== null && value !== false) return value as Exclude<T, false | null | undefined>;
    if (systemClock.monotonic() > deadlineMs) throw new Error(`not within ${limitMs / 1000} s: ${what}`);
    await systemClock.sleep(10);
  }
}
