import { isTemplateName } from '../model/index.ts';
import { splitQuoted } from './values.ts';

/** Most characters of a value that is read as words: specifiers make a value up to 128 times longer. */
export const MAX_VALUE_CHARS = 32_768;

/**
 * The specifiers %n %N %p %i in a value; of a template only %p, since the others are its instances'. Works on any text,
 * also on names that are none, since a check reports everything at once.
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

/** At least as many characters as the value has with its specifiers expanded. */
export function expandedChars(full: string, value: string): number {
  return value.length + (value.split('%').length - 1) * full.length;
}

/** The words of a value with its specifiers expanded; undefined when it is longer than MAX_VALUE_CHARS. */
export function wordsOf(full: string, value: string): string[] | undefined {
  return expandedChars(full, value) > MAX_VALUE_CHARS ? undefined : splitQuoted(expandSpecifiers(full, value));
}

/** True when only an instance of the template can tell whether the value is right. */
export function awaitsInstance(full: string, value: string): boolean {
  return isTemplateName(full) && /%[nNi]/.test(value);
}
