import { uptime } from 'node:os';
import { within } from './within.ts';

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

/** Node takes longer timers for 1 ms. */
const MAX_TIMER_MS = 86_400_000;

/** The clock of this computer; its timers are made of ones of at most `maxTimerMs`. */
export function createClock(maxTimerMs = MAX_TIMER_MS): Clock {
  const arm = (ms: number, fn: () => void, keepAlive: boolean): (() => void) => {
    let timer: NodeJS.Timeout;
    const wait = (leftMs: number) => {
      const stepMs = Math.min(Math.max(leftMs, 0), maxTimerMs);
      timer = setTimeout(() => (leftMs > stepMs ? wait(leftMs - stepMs) : fn()), stepMs);
      if (!keepAlive) timer.unref();
    };
    wait(ms);
    return () => clearTimeout(timer);
  };
  return {
    now: () => Date.now(),
    monotonic: () => performance.now(),
    sleep: (ms, signal) => within(signal, (resolve) => arm(ms, resolve, true)),
    after: (ms, fn) => arm(ms, fn, false),
  };
}

export const systemClock = createClock();

/** Microseconds of CLOCK_MONOTONIC, which all processes of this boot share. */
export function microsecondsOfBoot(): bigint {
  return process.hrtime.bigint() / 1000n;
}

/** Milliseconds since the machine was booted, its times of sleep included (CLOCK_BOOTTIME): shared by all its processes. */
export function uptimeMs(): number {
  return uptime() * 1000;
}
