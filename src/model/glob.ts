/**
 * True when `text` as a whole matches the shell glob: `*` any run and `?` any one character but `/`, `[a-z]` and
 * `[^a-z]` classes, `\` takes the next character as it is. A malformed glob matches nothing (see `isGlob`).
 */
export function matchesGlob(glob: string, text: string): boolean {
  return compileGlob(glob).matches(text);
}

/** False when the glob is malformed: an unclosed class, a range that goes backwards, a `\` with nothing after it. */
export function isGlob(glob: string): boolean {
  return compileGlob(glob).tokens !== undefined;
}

interface CompiledGlob {
  /** Undefined when malformed. */
  readonly tokens: readonly Token[] | undefined;
  matches(text: string): boolean;
}

/** One step of a glob: `*`, or a test of one character. */
type Token = '*' | ((char: string) => boolean);

// Globs come from the units of the cluster; the bound only matters to a process which outlives very many of them.
const MAX_CACHED = 20_000;
const cache = new Map<string, CompiledGlob>();

function compileGlob(glob: string): CompiledGlob {
  const known = cache.get(glob);
  if (known !== undefined) return known;
  if (cache.size >= MAX_CACHED) cache.clear();
  const compiled = compile(glob);
  cache.set(glob, compiled);
  return compiled;
}

function compile(glob: string): CompiledGlob {
  if (!/[*?[\\]/.test(glob)) {
    return { tokens: [], matches: (text) => text === glob };
  }
  const simple = /^([^*?[\\]*)\*([^*?[\\]*)$/.exec(glob);
  if (simple !== null) return { tokens: [], matches: affixMatcher(simple[1]!, simple[2]!) };
  const tokens = tokenize(glob);
  return {
    tokens,
    matches: tokens === undefined ? () => false : (text) => matchTokens(tokens, [...text]),
  };
}

/** `prefix*suffix` is nearly every glob there is. */
function affixMatcher(prefix: string, suffix: string): (text: string) => boolean {
  const fixed = prefix.length + suffix.length;
  return (text) =>
    text.length >= fixed &&
    text.startsWith(prefix) &&
    text.endsWith(suffix) &&
    !text.slice(prefix.length, text.length - suffix.length).includes('/');
}

function tokenize(glob: string): Token[] | undefined {
  const chars = [...glob];
  const tokens: Token[] = [];
  for (let at = 0; at < chars.length; ) {
    const char = chars[at]!;
    if (char === '[') {
      const parsed = parseClass(chars, at + 1);
      if (parsed === undefined) return undefined;
      tokens.push(parsed.test);
      at = parsed.next;
    } else if (char === '\\') {
      const literal = chars[at + 1];
      if (literal === undefined) return undefined;
      tokens.push((other) => other === literal);
      at += 2;
    } else {
      tokens.push(char === '*' ? '*' : char === '?' ? (other) => other !== '/' : (other) => other === char);
      at++;
    }
  }
  return tokens;
}

function parseClass(chars: readonly string[], start: number): { test: Token; next: number } | undefined {
  const negated = chars[start] === '^';
  const ranges: [string, string][] = [];
  let at = negated ? start + 1 : start;
  // A `]` that comes first would make an empty class, which no shell accepts.
  while (chars[at] !== ']') {
    const low = classChar(chars, at);
    if (low === undefined) return undefined;
    at = low.next;
    let high = low;
    if (chars[at] === '-') {
      const end = classChar(chars, at + 1);
      if (end === undefined || end.char < low.char) return undefined;
      high = end;
      at = end.next;
    }
    ranges.push([low.char, high.char]);
  }
  if (ranges.length === 0) return undefined;
  const test = (char: string) => char !== '/' && ranges.some(([low, high]) => low <= char && char <= high) !== negated;
  return { test, next: at + 1 };
}

function classChar(chars: readonly string[], at: number): { char: string; next: number } | undefined {
  const char = chars[at];
  if (char === undefined || char === ']' || char === '-') return undefined;
  if (char !== '\\') return { char, next: at + 1 };
  const escaped = chars[at + 1];
  return escaped === undefined ? undefined : { char: escaped, next: at + 2 };
}

/** Backtracks to the last `*` only, which is enough, so the work is at most tokens × characters. */
function matchTokens(tokens: readonly Token[], chars: readonly string[]): boolean {
  let token = 0;
  let star = -1;
  let starEnd = 0;
  for (let at = 0; at < chars.length; ) {
    const current = tokens[token];
    if (current === '*') {
      star = token++;
      starEnd = at;
    } else if (current?.(chars[at]!)) {
      token++;
      at++;
    } else {
      if (star < 0 || chars[starEnd] === '/') return false;
      at = ++starEnd;
      token = star + 1;
    }
  }
  while (tokens[token] === '*') token++;
  return token === tokens.length;
}
