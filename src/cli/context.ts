import type { Context } from './command.ts';

export type { Context };

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
