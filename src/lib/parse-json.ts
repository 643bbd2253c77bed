/** Far more values than any body of ours has, and few enough to parse within some milliseconds. */
const MAX_VALUES = 32_768;
/** JSON.parse itself accepts a million brackets, but code that recurses into the result would overflow the stack. */
const MAX_DEPTH = 64;

/** JSON.parse for untrusted text. Throws a SyntaxError with one clause for malformed, deep or oversized JSON. */
export function parseJson(text: string): unknown {
  assertModest(text);
  return JSON.parse(text);
}

/** Throws a SyntaxError when a text nests too deeply or holds too many values. The text need not be JSON. */
export function assertModest(text: string): void {
  let depth = 0;
  let values = 1;
  for (let at = 0; at < text.length; at++) {
    switch (text[at]) {
      case '"':
        at = endOfString(text, at);
        break;
      case '[':
      case '{':
        if (++depth > MAX_DEPTH) throw new SyntaxError(`it nests deeper than ${MAX_DEPTH} levels`);
        break;
      case ']':
      case '}':
        depth--;
        break;
      case ',':
        if (++values > MAX_VALUES) throw new SyntaxError(`it holds more than ${MAX_VALUES} values: send less at once`);
        break;
      default:
    }
  }
}

/** Returns the end of the string that begins at `start`; the end of the text when the string is not closed. */
function endOfString(text: string, start: number): number {
  for (let end = text.indexOf('"', start + 1); end !== -1; end = text.indexOf('"', end + 1)) {
    let first = end;
    while (text[first - 1] === '\\') first--;
    if ((end - first) % 2 === 0) return end;
  }
  return text.length;
}
