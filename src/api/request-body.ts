import { FlotillaError, isFlotillaError, parseJson, readParts } from '../lib/index.ts';

/** Largest request body that is read, in bytes. */
export const MAX_BODY_BYTES = 1024 * 1024;

/**
 * The body as JSON. Rejects with `too-large` as soon as it is known to exceed the limit, without reading on, and with
 * `invalid` when it is no JSON or no UTF-8.
 */
export async function readJsonBody(request: Request): Promise<unknown> {
  const text = decode(await readBody(request));
  if (text.trim() === '') throw new FlotillaError('invalid', 'the request has no body: send JSON');
  try {
    return parseJson(text);
  } catch (cause) {
    throw new FlotillaError('invalid', `the request body is not valid JSON: ${(cause as Error).message}`, {}, cause);
  }
}

/** 413 for a body that announces itself as too large. */
export function assertBodySize(contentLength: string | undefined | null): void {
  if (Number(contentLength ?? 0) > MAX_BODY_BYTES) throw tooLarge();
}

async function readBody(request: Request): Promise<Buffer> {
  assertBodySize(request.headers.get('content-length'));
  if (request.body === null) return Buffer.alloc(0);
  try {
    // A cancelled body would end the connection, and with it the response that says why.
    return await readParts(request.body.values({ preventCancel: true }), MAX_BODY_BYTES, tooLarge);
  } catch (cause) {
    if (isFlotillaError(cause, 'too-large')) throw cause;
    throw new FlotillaError('invalid', 'the request body broke off', {}, cause);
  }
}

function decode(bytes: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new FlotillaError('invalid', 'the request body is not valid UTF-8', {}, cause);
  }
}

function tooLarge(): FlotillaError {
  return new FlotillaError('too-large', `the request body is larger than ${MAX_BODY_BYTES} bytes (1 MB)`);
}
