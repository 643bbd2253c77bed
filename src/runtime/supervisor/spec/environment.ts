import { splitWords } from './words.ts';

const NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;

/** The assignments of one Environment= value, in order, and the words that are none. */
export function parseEnvironment(words: readonly string[]): {
  readonly assignments: readonly (readonly [string, string])[];
  readonly invalid: readonly string[];
} {
  const assignments: (readonly [string, string])[] = [];
  const invalid: string[] = [];
  for (const word of words) {
    const equals = word.indexOf('=');
    const name = word.slice(0, Math.max(equals, 0));
    if (NAME.test(name)) assignments.push([name, word.slice(equals + 1)]);
    else invalid.push(word);
  }
  return { assignments, invalid };
}

/**
 * Reads an environment file: one NAME=value a line, `#` and `;` comments, values bare or in single or double quotes,
 * a backslash at a line's end joins lines. Lines that assign nothing valid are left out, as systemd does.
 */
export function parseEnvironmentFile(text: string): readonly (readonly [string, string])[] {
  const assignments: (readonly [string, string])[] = [];
  let at = 0;
  while (at < text.length) {
    const entry = readEntry(text, at);
    at = entry.end;
    if (entry.name !== undefined && NAME.test(entry.name) && !entry.value.includes('\0'))
      assignments.push([entry.name, entry.value]);
  }
  return assignments;
}

interface Entry {
  readonly name: string | undefined;
  readonly value: string;
  readonly end: number;
}

function readEntry(text: string, start: number): Entry {
  const lead = /^\s*/.exec(text.slice(start))![0].length;
  const from = start + lead;
  const lineEnd = endOfLine(text, from);
  if (text[from] === '#' || text[from] === ';') return { name: undefined, value: '', end: commentEnd(text, from) };
  const equals = text.indexOf('=', from);
  if (equals === -1 || equals > lineEnd) return { name: undefined, value: '', end: lineEnd + 1 };
  const { value, end } = readValue(text, equals + 1);
  return { name: text.slice(from, equals).trim(), value, end };
}

function endOfLine(text: string, from: number): number {
  const newline = text.indexOf('\n', from);
  return newline === -1 ? text.length : newline;
}

/** A comment goes on over a line that ends in a backslash. */
function commentEnd(text: string, from: number): number {
  let end = endOfLine(text, from);
  while (end < text.length && text[end - 1] === '\\') end = endOfLine(text, end + 1);
  return end + 1;
}

function readValue(text: string, from: number): { readonly value: string; readonly end: number } {
  let value = '';
  // Blanks at the end of an unquoted value are dropped; those that were quoted or escaped stay.
  let kept = 0;
  let quote: string | undefined;
  let at = from;
  while (at < text.length && (text[at] === ' ' || text[at] === '\t')) at++;
  for (; at < text.length; at++) {
    const char = text[at]!;
    if (char === '\\' && quote !== "'") {
      const next = text[++at];
      if (next === undefined) break;
      if (next === '\n') continue;
      value += quote === '"' && !'"\\`$'.includes(next) ? `\\${next}` : next;
      kept = value.length;
    } else if (quote !== undefined) {
      if (char === quote) quote = undefined;
      else value += char;
      kept = value.length;
    } else if (char === '\n') break;
    else if ((char === '"' || char === "'") && value.slice(kept).trim() === '') quote = char;
    else {
      value += char;
      if (!/\s/.test(char)) kept = value.length;
    }
  }
  return { value: value.slice(0, kept), end: at + 1 };
}

/** Words of a directive's value with quotes and escapes undone; a line with an open quote is taken at its blanks. */
export function wordsOf(value: string): readonly string[] {
  return splitWords(value)?.map((word) => word.text) ?? value.split(/\s+/).filter(Boolean);
}
