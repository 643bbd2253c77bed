import type { UnitOption, UnitProblem } from '../unitfile/index.ts';
import { nearest } from './nearest.ts';
import { DIRECTIVES } from './unit-directives.ts';

const SECTIONS: ReadonlyMap<string, ReadonlySet<string>> = new Map(
  Object.entries(DIRECTIVES).map(([section, names]) => [section, new Set(names.split(/\s+/))]),
);
/** Enough for a person's mistakes, without filling the screen for a file of another kind. */
const WARNINGS_AT_MOST = 20;
/** No directive is half as long, and comparing letters takes time. */
const LONGEST_NAME = 80;

/**
 * Warns of sections and keys that systemd 252 does not know, once for each, with the known name that was most likely
 * meant. Never an error, since a machine may have a newer systemd. Names with `X-` belong to other programs, as in
 * systemd.
 */
export function checkDirectives(name: string, options: readonly UnitOption[], lines: readonly number[]): UnitProblem[] {
  const own = sectionsOf(name);
  const problems = new Map<string, UnitProblem>();
  for (const [i, option] of options.entries()) {
    const message = complaint(option, own);
    if (message === undefined || problems.has(message)) continue;
    problems.set(message, { line: lines[i] ?? 0, message, severity: 'warning' });
    if (problems.size === WARNINGS_AT_MOST) break;
  }
  return [...problems.values()];
}

/** Returns the sections that systemd reads in a unit of this type: `.service` has [Service]. */
function sectionsOf(name: string): readonly string[] {
  const suffix = name.slice(name.lastIndexOf('.') + 1);
  const own = suffix.charAt(0).toUpperCase() + suffix.slice(1);
  return ['Unit', 'Install', ...(SECTIONS.has(own) ? [own] : [])];
}

function complaint({ section, name }: UnitOption, own: readonly string[]): string | undefined {
  if (section === '' || section.startsWith('X-') || name.startsWith('X-')) return undefined;
  if (!own.includes(section)) {
    const meant = likely(section, [...own, 'X-Fleet', 'X-Service']);
    return `systemd ignores the section [${section}] here${meant === undefined ? '' : `: did you mean [${meant}]?`}`;
  }
  const known = SECTIONS.get(section)!;
  if (known.has(name)) return undefined;
  const elsewhere = own.find((other) => SECTIONS.get(other)!.has(name));
  if (elsewhere !== undefined) return `unknown key ${name}= in [${section}]: it belongs into [${elsewhere}]`;
  const meant = likely(name, [...known]);
  const hint = meant === undefined ? 'systemd 252 ignores it' : `did you mean ${meant}=?`;
  return `unknown key ${name}= in [${section}]: ${hint}`;
}

function likely(word: string, known: readonly string[]): string | undefined {
  if (word.length > LONGEST_NAME) return undefined;
  // Wrong case is the most frequent mistake, and by edit distance not always the nearest.
  return known.find((one) => one.toLowerCase() === word.toLowerCase()) ?? nearest(word, known);
}
