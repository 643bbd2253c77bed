import type { UnitOption, UnitProblem } from './unit-file.ts';

/** A parsed unit file: its options in order, the line on which each begins, and its problems. */
export interface ParsedUnitFile {
  readonly options: readonly UnitOption[];
  /** `lines[i]` is the line, from 1, on which `options[i]` begins. */
  readonly lines: readonly number[];
  readonly problems: readonly UnitProblem[];
}

/** fleet's limit, newline included (go-systemd reads lines with a buffer of this size); systemd accepts up to 1 MiB. */
const MAX_LINE_BYTES = 2048;
const MAX_QUOTED = 80;
/** systemd's blanks before a comment, which are fewer than JavaScript's `\s`. */
const COMMENT = /^[ \t\r\n]*[#;]/;

/**
 * Parses a unit file. Never throws: each problem is reported with its line and parsing goes on, so that a user sees all
 * problems at once.
 */
export function parseUnitFile(text: string): ParsedUnitFile {
  const parser = new UnitFileParser(text);
  parser.run();
  return { options: parser.options, lines: parser.lines, problems: parser.problems };
}

class UnitFileParser {
  readonly options: UnitOption[] = [];
  readonly lines: number[] = [];
  readonly problems: UnitProblem[] = [];
  readonly #source: readonly string[];
  #at = 0;
  #section: string | undefined;

  constructor(text: string) {
    this.#source = text
      .replace(/^\uFEFF/, '')
      .split('\n')
      .map((line) => (line.endsWith('\r') ? line.slice(0, -1) : line));
  }

  run(): void {
    while (this.#at < this.#source.length) {
      const line = this.#take();
      const first = line.trimStart();
      if (first === '' || COMMENT.test(first)) continue;
      if (first.startsWith('[')) this.#readSection(first);
      else this.#readOption(first);
    }
  }

  #take(): string {
    const line = this.#source[this.#at++]!;
    if (Buffer.byteLength(line) >= MAX_LINE_BYTES) {
      const bytes = Buffer.byteLength(line);
      this.#problem(
        this.#at,
        `line is too long: ${bytes} bytes, at most ${MAX_LINE_BYTES - 1} fit, as in fleet: end it in a backslash and go on in the next one`,
      );
    }
    if (line.includes('\0')) this.#problem(this.#at, 'line holds a NUL byte');
    // systemd's read_line() ends a line at a lone \r, behind which an unchecked option could stand.
    if (line.includes('\r')) {
      this.#problem(this.#at, 'line holds a carriage return that is not part of its end, where systemd ends the line');
    }
    return line;
  }

  #readSection(line: string): void {
    const end = line.indexOf(']');
    if (end === -1) {
      this.#problem(this.#at, `unable to find end of section: ${quote(line)} has no "]"`);
      return;
    }
    this.#section = line.slice(1, end);
    const garbage = line.slice(end + 1).trim();
    if (garbage !== '') {
      this.#problem(this.#at, `found garbage after section name [${this.#section}]: ${quote(garbage)}`);
    }
  }

  #readOption(line: string): void {
    const number = this.#at;
    const equals = line.indexOf('=');
    if (equals === -1) {
      // Consume the rest of a refused value, so that its lines are not reported one by one.
      if (goesOn(line)) this.#readValue('\\');
      this.#problem(number, `expected "Name=value", found ${quote(line)}`);
      return;
    }
    const name = line.slice(0, equals).trim();
    const value = this.#readValue(line.slice(equals + 1));
    if (name === '') {
      this.#problem(number, 'an option has no name before its "="');
      return;
    }
    if (this.#section === undefined) {
      this.#section = '';
      this.#warning(number, `${name}= stands before any [Section], where systemd ignores it`);
    }
    this.options.push({ section: this.#section, name, value });
    this.lines.push(number);
  }

  /**
   * Reads the value that begins with `first` and goes on while lines end in a backslash; comments in between are
   * skipped.
   */
  #readValue(first: string): string {
    let value = '';
    let line = first;
    for (let continued = false; ; continued = true) {
      if (line.trim() === '') break;
      value += line;
      if (!goesOn(line) && !(continued && COMMENT.test(line))) {
        const bare = line.trimEnd();
        if (bare.length === line.length || !goesOn(bare)) return value.trim();
        this.#problem(this.#at, 'blanks stand behind the backslash, so that the line does not go on: remove them');
        return '';
      }
      if (this.#atEnd()) {
        this.#warning(this.#at, 'the file ends in the middle of a continued line');
        return (goesOn(value) ? value.slice(0, -1) : value).trim();
      }
      value += '\n';
      line = this.#take();
    }
    // A blank line ends a continuation. Its newline is kept: without it the serialised value would swallow the next
    // option.
    return value.endsWith('\n') ? `${value.trim()}\n` : value.trim();
  }

  /** True behind the last line. A final newline leaves one empty piece, which counts as a line only inside a value. */
  #atEnd(): boolean {
    return this.#at >= this.#source.length;
  }

  #problem(line: number, message: string): void {
    this.problems.push({ line, message, severity: 'error' });
  }

  #warning(line: number, message: string): void {
    this.problems.push({ line, message, severity: 'warning' });
  }
}

/** Shortens a line to what a message can show. */
function quote(line: string): string {
  const text = line.trim();
  return JSON.stringify(text.length > MAX_QUOTED ? `${text.slice(0, MAX_QUOTED)}…` : text);
}

/**
 * True when a backslash joins the next line; two backslashes are an escaped one and join nothing (systemd.syntax(7)).
 */
function goesOn(line: string): boolean {
  let at = line.length;
  while (line[at - 1] === '\\') at--;
  return (line.length - at) % 2 === 1;
}
