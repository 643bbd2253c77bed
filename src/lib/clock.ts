import { uptime } from 'node:os';

/**
 * Time as an argument. Everything that waits or asks for the time takes a Clock, so that the simulation can run
 * hours of cluster life in milliseconds and repeat them exactly.
 */
export interface Clock {
  /** Milliseconds since 1970, for people and records. May jump. */
  now(): number;
  /** Milliseconds from an arbitrary start; never jumps. Use it for every deadline. */
  monotonic(): number;
  /** Resolves after `ms`; rejects with the signal's reason when aborted first. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
  /** Calls `fn` after `ms` unless cancelled by the returned function. Does not keep the process alive by itself. */
  after(ms: number, fn: () => void): () => void;
}

// Node clamps longer timers to 1 ms; a day is long enough to be re-armed by whoever waits for more.
const MAX_TIMER_MS = 86_400_000;

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  sleep(ms, signal) {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const done = () => {
        signal?.removeEventListener('abort', abort);
        resolve();
      };
      const timer = setTimeout(done, Math.min(Math.max(ms, 0), MAX_TIMER_MS));
      const abort = () => {
        clearTimeout(timer);
        reject(signal!.reason);
      };
      signal?.addEventListener('abort', abort, { once: true });
    });
  },
  after(ms, fn) {
    const timer = setTimeout(fn, Math.min(Math.max(ms, 0), MAX_TIMER_MS));
    timer.unref();
    return () => clearTimeout(timer);
  },
};

/** Microseconds of CLOCK_MONOTONIC, which all processes of this boot share. */
export function microsecondsOfBoot(): bigint {
  return process.hrtime.bigint() / 1000n;
}

/** Milliseconds since the machine was booted, its times of sleep included (CLOCK_BOOTTIME): shared by all its processes. */
export function uptimeMs(): number {
  return uptime() * 1000;
}
