import { isAssignment } from './environment-file.ts';
import { readWords } from './words.ts';

/** Returns the assignments of one Environment= value in order, and the words that are no assignments. */
export function parseEnvironment(words: readonly string[]): {
  readonly assignments: readonly (readonly [string, string])[];
  readonly invalid: readonly string[];
} {
  const assignments: (readonly [string, string])[] = [];
  const invalid: string[] = [];
  for (const word of words) {
    const equals = word.indexOf('=');
    const [name, value] = [word.slice(0, Math.max(equals, 0)), word.slice(equals + 1)];
    if (isAssignment(name, value)) assignments.push([name, value]);
    else invalid.push(word);
  }
  return { assignments, invalid };
}

/**
 * Splits a directive's value into words and resolves quotes and escapes. At the first invalid word (an open quote, an
 * unknown escape) systemd ignores the rest of the line.
 */
export function wordsOf(value: string): readonly string[] {
  return readWords(value, 'strict').words.map(({ text }) => text);
}
