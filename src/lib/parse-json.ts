/** Far more than any body of ours, and few enough to be read within some milliseconds. */
const MAX_VALUES = 32_768;
/** JSON.parse reads a million brackets; whatever calls itself for each level afterwards ends the stack. */
const MAX_DEPTH = 64;

/** JSON of a stranger as JSON.parse reads it. Throws a SyntaxError with one clause when it is none, or too much of it. */
export function parseJson(text: string): unknown {
  assertModest(text);
  return JSON.parse(text);
}

/** Throws a SyntaxError when a text nests deeper, or holds more values, than anybody needs. It need not be JSON. */
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

/** Where the string that begins at `start` ends; the end of the text when it does not. */
function endOfString(text: string, start: number): number {
  for (let end = text.indexOf('"', start + 1); end !== -1; end = text.indexOf('"', end + 1)) {
    let first = end;
    while (text[first - 1] === '\\') first--;
    if ((end - first) % 2 === 0) return end;
  }
  return text.length;
}
