import { trimEnd } from '../../../lib/index.ts';

/** Where in a file the reader is, as in parse_env_file() of systemd: each character leads from one state to another. */
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
/** What a backslash within double quotes takes its meaning from; before anything else it stays. */
const UNESCAPED = '"\\`$';
const NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;

/** An assignment that a unit's process may be given; others are left out, as systemd does, with a note. */
export function isAssignment(name: string, value: string): boolean {
  return NAME.test(name) && !value.includes('\0');
}

/**
 * Reads an environment file as systemd 252 does: one NAME=value a line; quotes open at a value's start or right behind a
 * closing quote, and hold newlines; a backslash joins lines. Assignments of what is no name are left out.
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
  /** As much of the value as blanks at its end do not belong to; undefined while it ends in none. */
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
