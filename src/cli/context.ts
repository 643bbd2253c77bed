import type { FleetClient } from '../client/index.ts';
import type { Clock } from '../lib/index.ts';
import type { Flags } from './flags.ts';
import type { ShownIo } from './io.ts';

/** What a command gets to run with. */
export interface Context {
  readonly flags: Flags;
  readonly args: readonly string[];
  readonly io: ShownIo;
  readonly clock: Clock;
  /** The client of the API which the flags choose; loaded and made on the first call. */
  client(): Promise<FleetClient>;
}

/** One line of result. */
export function say(context: Context, line: string): void {
  context.io.out(`${line}\n`);
}

/** One line of warning or error. */
export function warn(context: Context, line: string): void {
  context.io.err(`${line}\n`);
}

/** A value for programs: two-space JSON and a newline. */
export function sayJson(context: Context, value: unknown): void {
  context.io.out(`${JSON.stringify(value, undefined, 2)}\n`);
}
