import type { FleetClient } from '../client/index.ts';
import type { Clock } from '../lib/index.ts';
import type { Flags } from './flags.ts';
import type { ShownIo } from './io.ts';

/** The surroundings of a running command. */
export interface Context {
  readonly flags: Flags;
  readonly args: readonly string[];
  readonly io: ShownIo;
  readonly clock: Clock;
  /** Returns the client of the API that the flags select; loaded on the first call. */
  client(): Promise<FleetClient>;
}

/** Prints a line of the result. */
export function say(context: Context, line: string): void {
  context.io.out(`${line}\n`);
}

/** Prints a warning or error. */
export function warn(context: Context, line: string): void {
  context.io.err(`${line}\n`);
}

/** Prints a value as two-space JSON and a newline. */
export function sayJson(context: Context, value: unknown): void {
  context.io.out(`${JSON.stringify(value, undefined, 2)}\n`);
}
