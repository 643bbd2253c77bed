import assert from 'node:assert/strict';
import { ERRORS } from '../lib/index.ts';
import { ANY_CALL, CALLS, type Call, errorBody, PREFIXES } from './shapes/index.ts';

interface Received {
  readonly status: number;
  readonly json: unknown;
  readonly text: string;
}

const ALL = Object.values(CALLS).flatMap((group): readonly Call[] => Object.values(group));

/**
 * Asserts that the table of calls promises this response: its status, and every field of its JSON. Production does not check
 * its own responses, which would cost each request; the API's tests check every response that they get.
 */
export function assertPromised(method: string, url: string, { status, json, text }: Received): void {
  const call = callAt(method, new URL(url).pathname);
  if (call === undefined || status === 304) return;
  const what = `${method} ${url} ${status} ${text}`;
  if (status >= 400) {
    const codes = [...ANY_CALL, ...(call.errors ?? [])];
    assert.ok(
      codes.some((code) => ERRORS[code].http === status),
      `${call.id} promises ${codes.join(', ')}: ${what}`,
    );
    assert.deepEqual(errorBody.parse(json), json, what);
    return;
  }
  const reply = call.responses[status as 200 | 201 | 204];
  assert.ok(reply, `${call.id} promises no such status: ${what}`);
  // A field that the shape does not name is dropped by parsing, and so makes a difference.
  if ('json' in reply) assert.deepEqual(reply.json.parse(json), json, what);
  else if ('empty' in reply) assert.equal(text, '', what);
}

function callAt(method: string, path: string): Call | undefined {
  const prefix = PREFIXES.find((prefix) => path.startsWith(`${prefix}/`));
  if (prefix === undefined) return undefined;
  const parts = path.slice(prefix.length + 1).split('/');
  const matches = (part: string, i: number) => part === parts[i] || (part.startsWith('{') && parts[i] !== '');
  return ALL.find((call) => {
    const wanted = call.path.split('/');
    return call.method === method && wanted.length === parts.length && wanted.every(matches);
  });
}
