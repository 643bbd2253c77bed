import type { Health } from '../model/index.ts';
import type { Probe } from './registration.ts';

/** The result of one look. */
export interface CheckResult {
  readonly status: Health;
  readonly output: string;
}

/** A probe that its machine runs by itself: any but `ttl`. */
export type ActiveProbe = Exclude<Probe, { readonly type: 'ttl' }>;

/** Looks once. A fault of the instance is a result, no error. `signal` aborts when the time is over. */
export type RunProbe = (probe: ActiveProbe, signal: AbortSignal) => Promise<CheckResult>;

const MAX_OUTPUT_BYTES = 4096;

/** Returns the beginning of an output, as much as the catalog keeps. */
export function shortened(output: string): string {
  if (Buffer.byteLength(output) <= MAX_OUTPUT_BYTES) return output;
  // Leave out a character that the cut splits.
  return Buffer.from(output)
    .subarray(0, MAX_OUTPUT_BYTES)
    .toString('utf8')
    .replace(/\ufffd$/, '');
}
