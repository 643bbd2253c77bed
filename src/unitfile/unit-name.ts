import { FlotillaError, trimEnd } from '../lib/index.ts';
import { isTemplateName } from '../model/index.ts';

/** The parts of a unit name: `foo@1.service` has prefix `foo`, instance `1`, suffix `service`. */
export interface UnitName {
  readonly full: string;
  /** Without the suffix: `foo@1`. */
  readonly name: string;
  /** Up to the first `@`, or the whole `name`. */
  readonly prefix: string;
  /** Between the first `@` and the last `.`; undefined without an `@`, empty for a template. */
  readonly instance: string | undefined;
  readonly isTemplate: boolean;
  /** Without its dot: `service`. */
  readonly suffix: string;
}

const SUFFIXES: ReadonlySet<string> = new Set(
  'automount busname device mount path scope service slice snapshot socket swap target timer'.split(' '),
);
const INSTANCE_SUFFIXES: ReadonlySet<string> = new Set(['path', 'service', 'socket', 'target', 'timer']);
const CLI_SUFFIX = /\.(service|socket|timer|path|device|mount|automount)$/;
const MAX_NAME_BYTES = 256;

/** Returns the sentence that says why `name` is not a valid unit name; undefined when it is valid. */
export function unitNameProblem(name: string): string | undefined {
  if (name === '') return 'unit name cannot be empty';
  if (Buffer.byteLength(name) > MAX_NAME_BYTES) return `unit name exceeds maximum length (${MAX_NAME_BYTES} bytes)`;
  const dot = name.lastIndexOf('.');
  if (dot === -1) return `unit name ${quote(name)} must contain "."`;
  if (dot === name.length - 1) return `unit name ${quote(name)} cannot end in "."`;
  if (name.startsWith('@')) return `unit name ${quote(name)} cannot begin with "@"`;
  if (dot === 0) return `unit name ${quote(name)} has nothing before its suffix`;
  const bad = /[^A-Za-z0-9:\-_.\\@]/u.exec(name.slice(0, dot));
  if (bad !== null) return `invalid character ${quote(bad[0])} in unit name ${quote(name)}`;
  return suffixProblem(name, dot);
}

function suffixProblem(name: string, dot: number): string | undefined {
  const suffix = name.slice(dot + 1);
  if (!SUFFIXES.has(suffix)) {
    return `invalid unit type ${quote(suffix)} in ${quote(name)}: expected one of ${[...SUFFIXES].join(', ')}`;
  }
  if (name.includes('@') && !INSTANCE_SUFFIXES.has(suffix)) {
    return `unit name ${quote(name)} has an "@", which a ${suffix} cannot have: only ${[...INSTANCE_SUFFIXES].join(', ')}`;
  }
  return undefined;
}

/** Splits a valid name; throws `invalid` with the reason for any other. */
export function parseUnitName(full: string): UnitName {
  const problem = unitNameProblem(full);
  if (problem !== undefined) throw new FlotillaError('invalid', problem, { unit: full });
  const dot = full.lastIndexOf('.');
  const name = full.slice(0, dot);
  const at = name.indexOf('@');
  return {
    full,
    name,
    prefix: at === -1 ? name : name.slice(0, at),
    instance: at === -1 ? undefined : name.slice(at + 1),
    isTemplate: isTemplateName(full),
    suffix: full.slice(dot + 1),
  };
}

/** The template an instance is made from (`foo@1.service` → `foo@.service`); undefined for anything else. */
export function templateOf(unit: UnitName): string | undefined {
  if (unit.instance === undefined || unit.isTemplate) return undefined;
  return `${unit.prefix}@.${unit.suffix}`;
}

/**
 * Returns the unit name that a command's argument stands for: a path loses its directories, and `.service` is added
 * unless the name ends in a suffix that fleetctl knows. The result is not validated.
 */
export function cliUnitName(arg: string): string {
  const base = trimEnd(arg, '/').replace(/^.*\//s, '');
  return CLI_SUFFIX.test(base) ? base : `${base}.service`;
}

function quote(text: string): string {
  return JSON.stringify(text);
}
