import type { Context } from './context.ts';
import type { FlagSpec } from './flags.ts';

/** `fleetctl COMMAND NAME …`, as data for help and completion. */
export interface Subcommand {
  readonly name: string;
  readonly usage: string;
  readonly about: string;
  /** Its arguments are machines of the lab. */
  readonly ofLab?: true;
  /** Names of those of the command's flags that it takes. */
  readonly flags: readonly string[];
  readonly examples: readonly { readonly line: string; readonly about: string }[];
}

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
  /** What its first argument may be, each with help of its own. */
  readonly subcommands?: readonly Subcommand[];
  /** What completion offers for arguments. */
  readonly arguments:
    | 'none'
    | 'units'
    | 'files'
    | 'machines'
    | 'machines-or-units'
    | 'services'
    | 'commands'
    | readonly string[];
  /** Left out of the list of commands. */
  readonly hidden?: boolean;
  /** Everything behind the command's name is passed on untouched. */
  readonly raw?: boolean;
  /**
   * Its last arguments are a command line for somebody else, flags included: what follows the first word behind `after`
   * words of its own, or behind none when one of the flags `unless` stands in their place.
   */
  readonly foreign?: { readonly after: number; readonly unless: readonly string[] };
  /** Answers the exit status. Rejects with a FlotillaError for what a user can do something about. */
  run(context: Context): Promise<number>;
}
