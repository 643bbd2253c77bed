import { trimEnd } from '../../../lib/index.ts';

/** States of the parser, as in systemd's parse_env_file(): each character leads from one to another. */
type State =
  | 'before-name'
  | 'name'
  | 'before-value'
  | 'value'
  | 'value-escape'
  | 'single-quoted'
  | 'double-quoted'
  | 'double-quoted-escape'
  | 'comment'
  | 'comment-escape';

const BLANKS = ' \t\n\r';
const NEWLINES = '\n\r';
/** Characters that a backslash escapes within double quotes; before any other it stays. */
const UNESCAPED = '"\\`$';
const NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;

/** True for an assignment that a process can get; systemd leaves others out with a note. */
export function isAssignment(name: string, value: string): boolean {
  return NAME.test(name) && !value.includes('\0');
}

/**
 * Parses an environment file as systemd 252 does: one NAME=value per line; quotes open at the start of a value or right
 * behind a closing quote and may contain newlines; a backslash joins lines. Lines with an invalid name are left out.
 */
export function parseEnvironmentFile(text: string): readonly (readonly [string, string])[] {
  const reader = new EnvironmentFileReader();
  for (const char of text) reader.take(char);
  reader.end();
  return reader.assignments.filter(([name, value]) => isAssignment(name, value));
}

class EnvironmentFileReader {
  readonly assignments: (readonly [string, string])[] = [];
  #state: State = 'before-name';
  #name = '';
  #value = '';
  /** Length of the value without blanks at its end; undefined while it does not end in blanks. */
  #kept: number | undefined;

  take(char: string): void {
    this.#state = this.#steps[this.#state](char);
  }

  end(): void {
    if (!['before-name', 'name', 'comment', 'comment-escape'].includes(this.#state)) this.#push();
  }

  readonly #steps: Readonly<Record<State, (char: string) => State>> = {
    'before-name': (char) => {
      if (char === '#' || char === ';') return 'comment';
      if (BLANKS.includes(char)) return 'before-name';
      this.#name = char;
      return 'name';
    },
    name: (char) => {
      if (NEWLINES.includes(char)) return 'before-name';
      if (char === '=') return 'before-value';
      this.#name += char;
      return 'name';
    },
    'before-value': (char) => {
      if (NEWLINES.includes(char)) return this.#push();
      if (char === "'") return 'single-quoted';
      if (char === '"') return 'double-quoted';
      if (char === '\\') return 'value-escape';
      if (BLANKS.includes(char)) return 'before-value';
      this.#value += char;
      return 'value';
    },
    value: (char) => {
      if (NEWLINES.includes(char)) return this.#push();
      if (char === '\\') {
        this.#kept = undefined;
        return 'value-escape';
      }
      this.#kept = BLANKS.includes(char) ? (this.#kept ?? this.#value.length) : undefined;
      this.#value += char;
      return 'value';
    },
    'value-escape': (char) => {
      if (!NEWLINES.includes(char)) this.#value += char;
      return 'value';
    },
    'single-quoted': (char) => {
      if (char === "'") return 'before-value';
      this.#value += char;
      return 'single-quoted';
    },
    'double-quoted': (char) => {
      if (char === '"') return 'before-value';
      if (char === '\\') return 'double-quoted-escape';
      this.#value += char;
      return 'double-quoted';
    },
    'double-quoted-escape': (char) => {
      if (UNESCAPED.includes(char)) this.#value += char;
      else if (char !== '\n') this.#value += `\\${char}`;
      return 'double-quoted';
    },
    comment: (char) => {
      if (char === '\\') return 'comment-escape';
      return NEWLINES.includes(char) ? 'before-name' : 'comment';
    },
    'comment-escape': () => 'comment',
  };

  #push(): State {
    this.assignments.push([trimEnd(this.#name, BLANKS), this.#value.slice(0, this.#kept)]);
    this.#value = '';
    this.#kept = undefined;
    return 'before-name';
  }
}
