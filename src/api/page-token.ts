import { FlotillaError } from '../lib/index.ts';

/** Largest page size and page number that a token can carry. */
export const MAX_TOKEN_NUMBER = 0xffff;

/** Which page of a list: `page` counts from 1. */
export interface PageNumber {
  readonly limit: number;
  readonly page: number;
}

/** fleet's token, bit for bit: URL-safe base64 (padded) of limit and page as little-endian 16-bit numbers. */
export function encodePageToken({ limit, page }: PageNumber): string {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt16LE(limit, 0);
  bytes.writeUInt16LE(page, 2);
  return bytes.toString('base64').replaceAll('+', '-').replaceAll('/', '_');
}

/** The page that a token names, or undefined when it is none of ours. */
export function decodePageToken(token: string): PageNumber | undefined {
  const bytes = Buffer.from(token, 'base64url');
  if (bytes.length !== 4) return undefined;
  const page = { limit: bytes.readUInt16LE(0), page: bytes.readUInt16LE(2) };
  // Buffer skips over what is not base64: only the exact text counts.
  return page.page > 0 && encodePageToken(page) === token ? page : undefined;
}

/** The page a request asks for by its `nextPageToken` parameters; the first without one. */
export function pageOf(tokens: readonly string[], limit: number): PageNumber {
  if (tokens.length === 0) return { limit, page: 1 };
  if (tokens.length > 1)
    throw new FlotillaError('invalid', 'too many values for nextPageToken query parameter: send one');
  const page = decodePageToken(tokens[0]!);
  if (page === undefined) throw new FlotillaError('invalid', 'invalid value of nextPageToken query parameter');
  if (page.limit !== limit) {
    throw new FlotillaError('invalid', 'invalid value of nextPageToken query parameter: it is from another server');
  }
  return page;
}

/** The items of a page, and the token of the page after it unless this is the last. */
export function cutPage<T>(
  items: readonly T[],
  { limit, page }: PageNumber,
): { items: readonly T[]; nextPageToken?: string } {
  const end = limit * page;
  const more = end < items.length && page < MAX_TOKEN_NUMBER;
  return {
    items: items.slice(end - limit, end),
    ...(more ? { nextPageToken: encodePageToken({ limit, page: page + 1 }) } : {}),
  };
}
