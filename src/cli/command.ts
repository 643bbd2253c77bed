import type { FleetClient } from '../client/index.ts';
import type { Clock } from '../lib/index.ts';
import type { FlagSpec, Flags } from './flags.ts';
import type { ShownIo } from './io.ts';

/** `fleetctl COMMAND NAME …`, as data for help and completion. */
export interface Subcommand {
  readonly name: string;
  readonly usage: string;
  readonly about: string;
  /** True when its arguments are machines of the lab. */
  readonly ofLab?: true;
  /** Names of the command's flags that it accepts. */
  readonly flags: readonly string[];
  readonly examples: readonly { readonly line: string; readonly about: string }[];
}

/** A command as data; dispatch, help and completion derive from the table of commands. */
export interface CommandSpec {
  readonly name: string;
  /** One line for the list of commands. */
  readonly summary: string;
  /** The arguments, as shown behind `fleetctl NAME`. */
  readonly usage: string;
  /** The text of `help NAME` behind the summary. */
  readonly about?: string;
  readonly examples: readonly { readonly line: string; readonly about: string }[];
  readonly flags: readonly FlagSpec[];
  /** The values of its first argument, each with its own help. */
  readonly subcommands?: readonly Subcommand[];
  /** The kind of arguments that completion offers. */
  readonly arguments:
    | 'none'
    | 'units'
    | 'files'
    | 'machines'
    | 'machines-or-units'
    | 'services'
    | 'commands'
    | readonly string[];
  /** Not in the list of commands. */
  readonly hidden?: boolean;
  /** Everything behind the command's name is passed on unparsed. */
  readonly raw?: boolean;
  /**
   * Its last arguments are another program's command line, flags included. It begins behind the first word that follows
   * `after` words, or behind the first word when one of the flags in `unless` is given.
   */
  readonly foreign?: { readonly after: number; readonly unless: readonly string[] };
  /** Returns the exit status. Rejects with a FlotillaError for failures that the user can act on. */
  run(context: Context): Promise<number>;
}

/** The commands there are, for those that tell of the others. */
export interface CommandTable {
  /** In the order of the help text. */
  readonly all: readonly CommandSpec[];
  /** Returns the command of that name, or the only one with that beginning; throws a `usage` error otherwise. */
  find(word: string): CommandSpec;
}

/** The surroundings of a running command. */
export interface Context {
  readonly flags: Flags;
  readonly args: readonly string[];
  readonly io: ShownIo;
  readonly clock: Clock;
  readonly commands: CommandTable;
  /** Returns the client of the API that the flags select; loaded on the first call. */
  client(): Promise<FleetClient>;
}
