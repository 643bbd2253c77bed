import { FlotillaError } from '../../lib/index.ts';

/** A query parameter: how documents show it, and how the server reads it. Parameters that no call names are ignored. */
export interface Parameter<Value> {
  readonly type: 'string' | 'boolean' | 'integer';
  /** True when the parameter may stand several times. */
  readonly repeated?: true;
  readonly description?: string;
  /** The value of all texts that were sent under `name`; throws `invalid`. */
  read(texts: readonly string[] | undefined, name: string): Value;
}

/** The parameter with a description for the documents. */
export function described<Value>(parameter: Parameter<Value>, description: string): Parameter<Value> {
  return { ...parameter, description };
}

/** The first of the texts; undefined without one. */
export const textParameter: Parameter<string | undefined> = { type: 'string', read: (texts) => texts?.[0] };

export const textsParameter: Parameter<readonly string[] | undefined> = {
  type: 'string',
  repeated: true,
  read: (texts) => texts,
};

/** True for `true`, false for any other text. */
export const flagParameter: Parameter<boolean> = { type: 'boolean', read: (texts) => texts?.[0] === 'true' };

/** False for `false`, true for any other text. */
export const flagUnlessFalse: Parameter<boolean> = { type: 'boolean', read: (texts) => texts?.[0] !== 'false' };

/** A number of at most `digits` digits, or `fallback`; another text is refused as `name=text <what it should be>`. */
export function integerParameter<Fallback extends number | undefined>(
  digits: number,
  { fallback, problem }: { readonly fallback: Fallback; readonly problem: string },
): Parameter<number | Fallback> {
  const read = (texts: readonly string[] | undefined, name: string) => {
    const sent = texts?.[0];
    if (sent === undefined) return fallback;
    if (sent.length > digits || !/^\d+$/.test(sent)) throw new FlotillaError('invalid', `${name}=${sent} ${problem}`);
    return Number(sent);
  };
  return { type: 'integer', read };
}

/** Every text that was sent as the token of a page, so that two of them can be refused. */
const pageTokens: Parameter<readonly string[]> = { type: 'string', read: (texts) => texts ?? [] };

/** The parameters of every list that comes in pages. */
export const pageParameters = {
  nextPageToken: pageTokens,
  all: described(flagParameter, 'The whole list at once.'),
};

/** Most lines of a journal that one request gets. */
const MAX_LINES = 100_000;
const lineCount = integerParameter(9, { fallback: 10, problem: 'is not a number of lines' });

/** How many lines of the journal a client wants: 10 unless it says so, at most `MAX_LINES`. */
export const linesParameter: Parameter<number> = {
  ...lineCount,
  read: (texts, name) => Math.min(lineCount.read(texts, name), MAX_LINES),
};
