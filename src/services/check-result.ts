import type { Health } from '../model/index.ts';
import type { Probe } from './registration.ts';

/** What a check said. */
export interface CheckResult {
  readonly status: Health;
  readonly output: string;
}

/** A check that its machine runs by itself. */
export type ActiveProbe = Exclude<Probe, { readonly type: 'ttl' }>;

/** Looks once; a fault of what is looked at is a result. `signal` aborts when the time is over. */
export type RunProbe = (probe: ActiveProbe, signal: AbortSignal) => Promise<CheckResult>;

const MAX_OUTPUT_BYTES = 4096;

/** The beginning of what a check said, as much as the catalog keeps. */
export function shortened(output: string): string {
  if (Buffer.byteLength(output) <= MAX_OUTPUT_BYTES) return output;
  // A character that the cut goes through is left out.
  return Buffer.from(output)
    .subarray(0, MAX_OUTPUT_BYTES)
    .toString('utf8')
    .replace(/\ufffd$/, '');
}
