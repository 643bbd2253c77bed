import { FlotillaError } from '../lib/index.ts';
import { parseDurationFlag } from './duration.ts';
import { nearest } from './nearest.ts';

/** A flag as data; parsing, help and completion derive from it. */
export interface FlagSpec {
  readonly name: string;
  /** One letter, written with one dash. */
  readonly short?: string;
  readonly kind: 'bool' | 'text' | 'count' | 'duration';
  /** True for a duration that must not be 0. */
  readonly positive?: boolean;
  /** The placeholder for the value in help. */
  readonly value?: string;
  readonly default?: string;
  readonly about: string;
  /** The valid values, for checking and completion. */
  readonly choices?: readonly string[];
  /** Values that completion offers: a comma-separated choice of these, or machines. */
  readonly offers?: readonly string[] | 'machines';
  /** Accepted for old scripts and not shown; sets the flag named here, or none. */
  readonly deprecated?: { readonly insteadUse?: string };
}

/** A flag as written, with an unchecked value. */
export interface WrittenFlag {
  readonly written: string;
  readonly value: string;
}

/** A parsed command line: words in order without flags; `rest` stood behind `--`. */
export interface ParsedLine {
  readonly words: readonly string[];
  readonly rest: readonly string[];
  readonly found: readonly WrittenFlag[];
}

/** Flags with their values. Asking for a flag that the command does not have is a bug. */
export class Flags {
  readonly #values: ReadonlyMap<string, string>;
  readonly #specs: ReadonlyMap<string, FlagSpec>;

  constructor(specs: readonly FlagSpec[], values: ReadonlyMap<string, string>) {
    this.#specs = new Map(specs.map((spec) => [spec.name, spec]));
    this.#values = values;
  }

  bool(name: string): boolean {
    return this.#read(name) === 'true';
  }

  text(name: string): string {
    return this.#read(name) ?? '';
  }

  /** Returns a non-negative integer. */
  count(name: string): number {
    return Number(this.#read(name) ?? 0);
  }

  /** Returns the milliseconds of a `duration` flag. */
  ms(name: string): number {
    return parseDurationFlag(this.#read(name) ?? '0');
  }

  /** True when the command has such a flag. */
  knows(name: string): boolean {
    return this.#specs.has(name);
  }

  /** True when the flag was given, on the command line or in the environment. */
  has(name: string): boolean {
    return this.#values.has(name);
  }

  #read(name: string): string | undefined {
    const spec = this.#specs.get(name);
    if (!spec) throw new Error(`no flag --${name} in this command`);
    return this.#values.get(name) ?? spec.default;
  }
}

/**
 * Splits a command line by the flags of all commands: one dash or two, `--flag value` or `--flag=value`, before or
 * behind the words; `--` ends the flags. `isRaw(words, found)` is called at each word; when it returns true, everything
 * behind the word stays unparsed. Throws `usage` errors.
 */
export function splitLine(
  argv: readonly string[],
  specs: readonly FlagSpec[],
  isRaw: (words: readonly string[], found: readonly WrittenFlag[]) => boolean,
): ParsedLine {
  const known = new Map<string, FlagSpec>();
  for (const spec of specs) {
    if (!known.has(spec.name)) known.set(spec.name, spec);
    if (spec.short && !known.has(spec.short)) known.set(spec.short, spec);
  }
  const words: string[] = [];
  const found: WrittenFlag[] = [];
  for (let at = 0; at < argv.length; at++) {
    const arg = argv[at]!;
    if (arg === '--') return { words, rest: argv.slice(at + 1), found };
    if (!arg.startsWith('-') || arg === '-') {
      words.push(arg);
      if (isRaw(words, found)) return { words, rest: argv.slice(at + 1), found };
      continue;
    }
    const { name, inline } = splitFlag(arg);
    const spec = known.get(name);
    if (!spec) throw unknownFlag(arg, name, specs);
    if (inline === undefined && spec.kind !== 'bool' && at + 1 >= argv.length) {
      throw new FlotillaError('usage', `flag needs a value: ${dashed(name)} ${spec.value ?? 'VALUE'}`);
    }
    const value = inline ?? (spec.kind === 'bool' ? 'true' : argv[++at]!);
    found.push({ written: name, value });
  }
  return { words, rest: [], found };
}

/**
 * Never read from the environment: images and install scripts set FLEETCTL_VERSION to the version that they install.
 */
const ONLY_WRITTEN: ReadonlySet<string> = new Set(['version', 'help']);

/**
 * Returns the values of `specs` from the command line and, for flags in `environment`, from FLEETCTL_*. Throws a
 * `usage` error for other flags.
 */
export function resolveFlags(
  found: readonly WrittenFlag[],
  own: readonly FlagSpec[],
  globals: readonly FlagSpec[],
  options: { readonly command: string; readonly env: Readonly<Record<string, string | undefined>> },
): Flags {
  const specs = [...own, ...globals];
  const values = new Map<string, string>();
  for (const spec of globals) {
    if (ONLY_WRITTEN.has(spec.name)) continue;
    const variable = `FLEETCTL_${spec.name.toUpperCase().replaceAll('-', '_')}`;
    const value = options.env[variable];
    if (value) values.set(targetOf(spec), checkValue(spec, variable, value));
  }
  for (const { written, value } of found) {
    // A letter may mean different flags in two commands: look it up among this command's.
    const spec = specs.find((one) => one.name === written || one.short === written);
    if (!spec) throw unknownFlag(dashed(written), written, specs, options.command);
    values.set(targetOf(spec), checkValue(spec, dashed(written), value));
  }
  return new Flags(specs, values);
}

function targetOf(spec: FlagSpec): string {
  return spec.deprecated?.insteadUse ?? spec.name;
}

function splitFlag(arg: string): { name: string; inline: string | undefined } {
  const body = arg.replace(/^--?/, '');
  const equals = body.indexOf('=');
  return equals < 0
    ? { name: body, inline: undefined }
    : { name: body.slice(0, equals), inline: body.slice(equals + 1) };
}

function dashed(name: string): string {
  return name.length === 1 ? `-${name}` : `--${name}`;
}

function unknownFlag(arg: string, name: string, specs: readonly FlagSpec[], command?: string): FlotillaError {
  const shown = specs.filter((spec) => !spec.deprecated).map((spec) => spec.name);
  const near = nearest(name, shown);
  const meant = near ? `. Did you mean --${near}?` : '';
  const help = `Run 'fleetctl help${command ? ` ${command}` : ''}' for the flags there are.`;
  const where = command ? ` for ${command}` : '';
  return new FlotillaError('usage', `unknown flag${where}: ${arg.split('=')[0]}${meant || '.'} ${help}`);
}

const TRUE = new Set(['true', '1', 't', 'T', 'TRUE', 'True']);
const FALSE = new Set(['false', '0', 'f', 'F', 'FALSE', 'False']);

function checkValue(spec: FlagSpec, where: string, value: string): string {
  const refuse = (expected: string) =>
    new FlotillaError('usage', `invalid value ${JSON.stringify(value)} for ${where}: ${expected}`);
  if (spec.kind === 'bool') {
    if (TRUE.has(value)) return 'true';
    if (FALSE.has(value)) return 'false';
    throw refuse('write true or false');
  }
  if (spec.kind === 'count' && !/^\d{1,9}$/.test(value)) throw refuse('write a whole number from 0');
  if (spec.kind === 'duration') checkDuration(spec, value, refuse);
  if (spec.choices && !spec.choices.includes(value)) throw refuse(`write one of ${spec.choices.join(', ')}`);
  return value;
}

function checkDuration(spec: FlagSpec, value: string, refuse: (expected: string) => FlotillaError): void {
  let ms: number;
  try {
    ms = parseDurationFlag(value);
  } catch {
    throw refuse('write a duration, as in 30s, 1m30s or 500ms; 30 is seconds');
  }
  if (ms === 0 && spec.positive) throw refuse(`write more than 0, as in ${spec.default}`);
}
