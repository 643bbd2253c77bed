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

/** False when the glob matches only its own text. */
export function isPattern(glob: string): boolean {
  return /[*?[\\]/.test(glob);
}

interface CompiledGlob {
  /** Undefined when malformed. */
  readonly tokens: readonly Token[] | undefined;
  matches(text: string): boolean;
}

/** One step of a glob: `*`, or a test of one character. */
type Token = '*' | ((char: string) => boolean);

/** Limit for the characters of all cached globs, each of which takes some hundred bytes. Clusters have far fewer. */
const MAX_CACHED_CHARS = 1_000_000;
const cache = new Map<string, CompiledGlob>();
let cachedChars = 0;

function compileGlob(glob: string): CompiledGlob {
  const known = cache.get(glob);
  if (known !== undefined) return known;
  cachedChars += glob.length + 1;
  if (cachedChars > MAX_CACHED_CHARS) {
    cache.clear();
    cachedChars = glob.length + 1;
  }
  const compiled = compile(glob);
  cache.set(glob, compiled);
  return compiled;
}

function compile(glob: string): CompiledGlob {
  if (!isPattern(glob)) return { tokens: [], matches: (text) => text === glob };
  const simple = /^([^*?[\\]*)\*([^*?[\\]*)$/.exec(glob);
  if (simple !== null) return { tokens: [], matches: affixMatcher(simple[1]!, simple[2]!) };
  const { tokens, literal } = tokenize(glob) ?? { tokens: undefined, literal: '' };
  if (tokens === undefined) return { tokens, matches: () => false };
  return { tokens, matches: (text) => text.includes(literal) && matchTokens(tokens, charsOf(text)) };
}

/** Fast path for `prefix*suffix`, which nearly all globs are. */
function affixMatcher(prefix: string, suffix: string): (text: string) => boolean {
  const fixed = prefix.length + suffix.length;
  return (text) => {
    if (text.length < fixed || !text.endsWith(suffix) || !text.startsWith(prefix)) return false;
    const slash = text.indexOf('/', prefix.length);
    return slash === -1 || slash >= text.length - suffix.length;
  };
}

/** Returns the tokens of a glob and its longest literal run; most texts lack that run and are rejected early. */
function tokenize(glob: string): { tokens: Token[]; literal: string } | undefined {
  const chars = [...glob];
  const tokens: Token[] = [];
  let literal = '';
  let run = '';
  const plain = (char: string): Token => {
    run += char;
    if (run.length > literal.length) literal = run;
    return (other) => other === char;
  };
  for (let at = 0; at < chars.length; ) {
    const char = chars[at]!;
    if (char === '\\') {
      const escaped = chars[at + 1];
      if (escaped === undefined) return undefined;
      tokens.push(plain(escaped));
      at += 2;
      continue;
    }
    if (!isPattern(char)) {
      tokens.push(plain(char));
      at++;
      continue;
    }
    run = '';
    const parsed = char === '[' ? parseClass(chars, at + 1) : undefined;
    if (char === '[' && parsed === undefined) return undefined;
    tokens.push(parsed?.test ?? (char === '*' ? '*' : (other) => other !== '/'));
    at = parsed?.next ?? at + 1;
  }
  return { tokens, literal };
}

function parseClass(chars: readonly string[], start: number): { test: Token; next: number } | undefined {
  const negated = chars[start] === '^';
  const ranges: [string, string][] = [];
  let at = negated ? start + 1 : start;
  // A `]` in first place would make an empty class, which no shell accepts.
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

/** Splits into whole characters; a text without surrogate pairs, as all unit names are, serves as its own list. */
function charsOf(text: string): ArrayLike<string> {
  return /[\ud800-\udfff]/.test(text) ? [...text] : text;
}

/** Backtracks to the last `*` only, which suffices, so that the work is at most tokens × characters. */
function matchTokens(tokens: readonly Token[], chars: ArrayLike<string>): boolean {
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
