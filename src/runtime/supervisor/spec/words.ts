/** One word of a line split as in systemd; `raw` is its text with quotes and backslashes. */
export interface Word {
  readonly text: string;
  readonly raw: string;
}

/**
 * The treatment of backslashes, as callers of systemd's extract_first_word() choose it. `strict`: C escapes are
 * resolved, unknown ones are errors. `lenient`: unknown ones stay (Exec lines). `bare`: a backslash is dropped and the
 * next character kept, also behind an open quote (values of variables).
 */
export type Escapes = 'strict' | 'lenient' | 'bare';

const SIMPLE_ESCAPES: Readonly<Record<string, string>> = {
  a: '\x07',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
  '\\': '\\',
  '"': '"',
  "'": "'",
  s: ' ',
};

const BLANKS = ' \t\n\r';
const BARE_RUN = /[^ \t\n\r"'\\]+/y;
const QUOTED_RUN: Readonly<Record<string, RegExp>> = { '"': /[^"\\]+/y, "'": /[^'\\]+/y };

/** Returns the words up to the end or to the first invalid one; `complete` says which. */
export function readWords(
  line: string,
  escapes: Escapes,
): { readonly words: readonly Word[]; readonly complete: boolean } {
  const words: Word[] = [];
  let at = 0;
  while (at < line.length) {
    if (BLANKS.includes(line[at]!)) {
      at++;
      continue;
    }
    const word = readWord(line, at, escapes);
    if (word === undefined) return { words, complete: false };
    words.push({ text: word.text, raw: line.slice(at, word.end) });
    at = word.end;
  }
  return { words, complete: true };
}

interface ReadWord {
  readonly text: string;
  readonly end: number;
}

function readWord(line: string, start: number, escapes: Escapes): ReadWord | undefined {
  const bytes: Buffer[] = [];
  let quote: string | undefined;
  let at = start;
  while (at < line.length) {
    const char = line[at]!;
    if (char === '\\') {
      const undone = readBackslash(line, at + 1, { escapes, quoted: quote !== undefined });
      if (undone === undefined) return undefined;
      bytes.push(undone.bytes);
      at = undone.end;
    } else if (char === quote) {
      quote = undefined;
      at++;
    } else if (quote === undefined && (char === '"' || char === "'")) {
      quote = char;
      at++;
    } else if (quote === undefined && BLANKS.includes(char)) break;
    else {
      // Take whole runs, which keeps surrogate pairs together.
      const run = runFrom(line, at, quote === undefined ? BARE_RUN : QUOTED_RUN[quote]!);
      bytes.push(Buffer.from(run));
      at += run.length;
    }
  }
  return quote === undefined || escapes === 'bare' ? { text: Buffer.concat(bytes).toString(), end: at } : undefined;
}

function runFrom(line: string, at: number, pattern: RegExp): string {
  pattern.lastIndex = at;
  return pattern.exec(line)?.[0] ?? line[at]!;
}

interface Undone {
  readonly bytes: Buffer;
  readonly end: number;
}

/** Resolves an escape behind the backslash before `at`; returns undefined when the escape makes its word invalid. */
function readBackslash(
  line: string,
  at: number,
  { escapes, quoted }: { readonly escapes: Escapes; readonly quoted: boolean },
): Undone | undefined {
  if (at >= line.length) {
    if (escapes === 'bare') return { bytes: Buffer.alloc(0), end: at };
    return escapes === 'lenient' && !quoted ? { bytes: Buffer.from('\\'), end: at } : undefined;
  }
  const other = String.fromCodePoint(line.codePointAt(at)!);
  const end = at + other.length;
  if (escapes === 'bare') return { bytes: Buffer.from(other), end };
  const undone = readEscape(line, at);
  if (undone !== undefined) return undone;
  return escapes === 'lenient' ? { bytes: Buffer.from(`\\${other}`), end } : undefined;
}

function readEscape(line: string, at: number): Undone | undefined {
  const rest = line.slice(at, at + 9);
  const simple = SIMPLE_ESCAPES[rest[0]!];
  if (simple !== undefined) return { bytes: Buffer.from(simple), end: at + 1 };
  const byte = /^x([0-9a-fA-F]{2})/.exec(rest) ?? /^([0-3][0-7]{2})/.exec(rest);
  if (byte) {
    const value = Number.parseInt(byte[1]!, rest.startsWith('x') ? 16 : 8);
    if (value !== 0) return { bytes: Buffer.from([value]), end: at + byte[0].length };
  }
  const unicode = /^u([0-9a-fA-F]{4})/.exec(rest) ?? /^U([0-9a-fA-F]{8})/.exec(rest);
  if (unicode) {
    const value = Number.parseInt(unicode[1]!, 16);
    if (value > 0 && value <= 0x10ffff && (value < 0xd800 || value > 0xdfff))
      return { bytes: Buffer.from(String.fromCodePoint(value)), end: at + unicode[0].length };
  }
  return undefined;
}
