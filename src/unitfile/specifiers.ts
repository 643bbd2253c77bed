import { isTemplateName } from '../model/index.ts';
import { splitQuoted } from './values.ts';

/** Limit, in characters, for a value that is read as words: specifiers lengthen a value up to 128 times. */
export const MAX_VALUE_CHARS = 32_768;

/**
 * Expands %n %N %p %i in a value; in a template only %p, since the others differ for each instance. Accepts invalid
 * names too, because a check reports all problems at once.
 */
export function expandSpecifiers(full: string, value: string): string {
  if (!value.includes('%')) return value;
  const dot = full.lastIndexOf('.');
  const name = dot === -1 ? full : full.slice(0, dot);
  const at = name.indexOf('@');
  const meanings: Readonly<Record<string, string>> = {
    p: at === -1 ? name : name.slice(0, at),
    ...(isTemplateName(full) ? {} : { n: full, N: name, i: at === -1 ? '' : name.slice(at + 1) }),
  };
  return value.replace(/%([nNpi])/g, (specifier, letter: string) => meanings[letter] ?? specifier);
}

/** Returns an upper bound for the characters of the value with its specifiers expanded. */
export function expandedChars(full: string, value: string): number {
  return value.length + (value.split('%').length - 1) * full.length;
}

/** Splits the expanded value into words; undefined when it is longer than MAX_VALUE_CHARS. */
export function wordsOf(full: string, value: string): string[] | undefined {
  return expandedChars(full, value) > MAX_VALUE_CHARS ? undefined : splitQuoted(expandSpecifiers(full, value));
}

/** True for a value of a template that only an instance can check. */
export function awaitsInstance(full: string, value: string): boolean {
  return isTemplateName(full) && /%[nNi]/.test(value);
}
