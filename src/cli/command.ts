import type { Context } from './context.ts';
import type { FlagSpec } from './flags.ts';

/** A command as data: dispatch, help and completion are made from the table of these. */
export interface CommandSpec {
  readonly name: string;
  /** One line for the list of commands. */
  readonly summary: string;
  /** The arguments, as `fleetctl NAME …` takes them. */
  readonly usage: string;
  /** What `help NAME` says beyond the summary. */
  readonly about?: string;
  readonly examples: readonly { readonly line: string; readonly about: string }[];
  readonly flags: readonly FlagSpec[];
  /** What completion offers for arguments. */
  readonly arguments: 'none' | 'units' | 'files' | 'commands' | readonly string[];
  /** Left out of the list of commands. */
  readonly hidden?: boolean;
  /** Everything behind the command's name is passed on untouched. */
  readonly raw?: boolean;
  /** Answers the exit status. Rejects with a FlotillaError for what a user can do something about. */
  run(context: Context): Promise<number>;
}
