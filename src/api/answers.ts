import { ERRORS, FlotillaError } from '../lib/index.ts';
import type { ApiErrorBody } from './shapes/index.ts';

const JSON_TYPE = 'application/json';

/** A value as JSON. */
export function answerJson(value: unknown, status = 200): Response {
  return new Response(JSON.stringify(value), { status, headers: { 'Content-Type': JSON_TYPE } });
}

/** JSON that was written as text, since parts of it were text already. */
export class JsonText {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

export function answerText({ text }: JsonText): Response {
  return new Response(text, { status: 200, headers: { 'Content-Type': JSON_TYPE } });
}

/** An empty response, with a type of the content it does not have where clients ask for one. */
export function answerEmpty(status: 201 | 204, contentType?: string): Response {
  return new Response(null, {
    status,
    ...(contentType === undefined ? {} : { headers: { 'Content-Type': contentType } }),
  });
}

/** JSON as bytes made earlier, with the name of their content for If-None-Match. */
export class Prepared {
  readonly body: Uint8Array<ArrayBuffer>;
  readonly etag: string;

  constructor(body: Uint8Array<ArrayBuffer>, etag: string) {
    this.body = body;
    this.etag = etag;
  }
}

/** Prepared JSON, or 304 when the client has it already. */
export function answerPrepared(prepared: Prepared, ifNoneMatch: string | undefined): Response {
  const { body, etag } = prepared;
  if (ifNoneMatch !== undefined && namesTag(ifNoneMatch, etag)) {
    return new Response(null, { status: 304, headers: { ETag: etag } });
  }
  const headers = { 'Content-Type': JSON_TYPE, 'Content-Length': String(body.byteLength), ETag: etag };
  return new Response(body, { status: 200, headers });
}

function namesTag(ifNoneMatch: string, etag: string): boolean {
  return ifNoneMatch.split(',').some((tag) => tag.trim() === '*' || tag.trim().replace(/^W\//, '') === etag);
}

/** fleet's error body. Anything that is no FlotillaError is a bug, whose details are for the log and not for clients. */
export function answerError(error: unknown, headers: Readonly<Record<string, string>> = {}): Response {
  const known = error instanceof FlotillaError;
  const code = known ? ERRORS[error.code].http : 500;
  const message = known ? error.message : 'internal error: see the log of fleetd on this machine';
  return new Response(errorBody(code, message), { status: code, headers: { 'Content-Type': JSON_TYPE, ...headers } });
}

/** The JSON text of an error answer. */
export function errorBody(code: number, message: string): string {
  return JSON.stringify({ error: { code, message } } satisfies ApiErrorBody);
}
