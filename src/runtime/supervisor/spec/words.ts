/** One word of a line split as systemd does; `raw` is what was written, quotes and backslashes included. */
export interface Word {
  readonly text: string;
  readonly raw: string;
}

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

const BLANK = /\s/;
const BARE_RUN = /^[^\s"'\\]+/;
const QUOTED_RUN: Readonly<Record<string, RegExp>> = { '"': /^[^"\\]+/, "'": /^[^'\\]+/ };

/**
 * Splits a line into words with systemd's quoting: single and double quotes hold blanks, C escapes are undone inside
 * and outside of quotes, unknown escapes stay as written. Undefined when a quote is not closed.
 */
export function splitWords(line: string): readonly Word[] | undefined {
  const words: Word[] = [];
  let at = 0;
  while (at < line.length) {
    if (BLANK.test(line[at]!)) {
      at++;
      continue;
    }
    const word = readWord(line, at);
    if (word === undefined) return undefined;
    words.push({ text: word.text, raw: line.slice(at, word.end) });
    at = word.end;
  }
  return words;
}

function readWord(line: string, start: number): { readonly text: string; readonly end: number } | undefined {
  const bytes: Buffer[] = [];
  let quote: string | undefined;
  let at = start;
  for (; at < line.length; at++) {
    const char = line[at]!;
    if (char === '\\' && at + 1 < line.length) {
      const undone = readEscape(line, at + 1);
      bytes.push(undone.bytes);
      at = undone.end - 1;
    } else if (char === quote) quote = undefined;
    else if (quote === undefined && (char === '"' || char === "'")) quote = char;
    else if (quote === undefined && BLANK.test(char)) break;
    else {
      // Whole runs at once keep surrogate pairs together.
      const run = (quote === undefined ? BARE_RUN : QUOTED_RUN[quote]!).exec(line.slice(at))?.[0] ?? char;
      bytes.push(Buffer.from(run));
      at += run.length - 1;
    }
  }
  return quote === undefined ? { text: Buffer.concat(bytes).toString(), end: at } : undefined;
}

function readEscape(line: string, at: number): { readonly bytes: Buffer; readonly end: number } {
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
    if (value > 0 && value <= 0x10ffff)
      return { bytes: Buffer.from(String.fromCodePoint(value)), end: at + unicode[0].length };
  }
  const other = String.fromCodePoint(line.codePointAt(at)!);
  return { bytes: Buffer.from(`\\${other}`), end: at + other.length };
}
