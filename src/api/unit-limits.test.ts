import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { UnitOption } from '../unitfile/index.ts';
import { MAX_BODY_BYTES } from './request-body.ts';
import { ask, openTestApi, type TestApi } from './test-api.ts';

let api: TestApi;

before(async () => {
  api = await openTestApi();
});
after(() => api.close());

/** The status and the sentence with which the API takes the body of a unit. */
async function put(body: unknown): Promise<readonly [status: number, message?: string]> {
  const { status, json } = await ask(`${api.url}/fleet/v1/units/x.service`, { method: 'PUT', body });
  return json === undefined ? [status] : [status, json.error.message];
}

const JSON_TYPE = { 'content-type': 'application/json' };
const sendText = (body: string) =>
  ask(`${api.url}/fleet/v1/units/x.service`, { method: 'PUT', body, headers: JSON_TYPE });

const option = (name: string, value: string): UnitOption => ({ section: 'Service', name, value });
const many = (count: number) => Array.from({ length: count }, (_, i) => option('Environment', `A${i}=${i}`));
const unit = (options: readonly UnitOption[], more: object = {}) => ({ desiredState: 'inactive', options, ...more });

test('2,048 options are accepted, and one more is refused with what to do', async () => {
  assert.deepEqual(await put(unit(many(2048))), [201]);
  const what = 'it has 2049 options, at most 2048 fit: move what is long into a file that the unit reads';
  assert.deepEqual(await put(unit(many(2049))), [400, `"options" in the request body is not acceptable: ${what}`]);
});

test('a refusal names 20 problems, and counts the others', async () => {
  const wrong = (count: number) => Array.from({ length: count }, (_, i) => option('Bad', `a${i}\nb`));
  const [status, message = ''] = await put(unit(wrong(20)));
  assert.equal(status, 400);
  assert.equal(message.split('; ').length, 20);
  assert.doesNotMatch(message, /more$/);
  const [, longer = ''] = await put(unit(wrong(21)));
  assert.equal(longer.split('; ').length, 21);
  assert.match(longer, /; and 1 more$/);
  assert.match((await put(unit(wrong(2048))))[1]!, /; and 2028 more$/);
});

test('16,384 lines of values are accepted, and one more is refused', async () => {
  const lines = (count: number) => [option('ExecStart', `/bin/x ${'\\\n'.repeat(count - 1)}a`)];
  assert.deepEqual(await put(unit(lines(16_384))), [201]);
  const [status, message] = await put(unit(lines(16_385)));
  assert.equal(status, 400);
  assert.match(message!, /^the options of unit x\.service have 16385 lines, at most 16384 fit: move /);
});

test('a file of 128 KiB is accepted as submitted, and one byte more is refused', async () => {
  const text = '[Service]\nEnvironment=A0=0\n';
  const file = (bytes: number) => `${text}${`#${'x'.repeat(1022)}\n`.repeat(128)}`.slice(0, bytes - 1).concat('\n');
  assert.deepEqual(await put(unit(many(1), { submitted: file(128 * 1024) })), [201]);
  const what = 'the file of unit x.service has 131073 bytes, at most 131072 fit';
  assert.deepEqual(await put(unit(many(1), { submitted: file(128 * 1024 + 1) })), [
    400,
    `${what}: shorten its comments and options`,
  ]);
});

test('a body of 1 MiB is read, and one byte more is not', async () => {
  const body = (bytes: number) => {
    const empty = JSON.stringify({ ...unit(many(1)), ignored: '' });
    return empty.replace('"ignored":""', `"ignored":"${'x'.repeat(bytes - empty.length)}"`);
  };
  assert.equal((await sendText(body(MAX_BODY_BYTES))).status, 204);
  assert.equal((await sendText(body(MAX_BODY_BYTES + 1))).status, 413);
});

test('JSON that nests deep or holds very many values is refused with a sentence', async () => {
  const deep = `${'['.repeat(1000)}${']'.repeat(1000)}`;
  const cases: readonly (readonly [text: string, message: RegExp])[] = [
    [`{"options":${deep}}`, /^the request body is not valid JSON: it nests deeper than 64 levels$/],
    [`{"options":[${'{},'.repeat(300_000)}{}]}`, /it holds more than 32768 values: send less at once$/],
  ];
  for (const [text, message] of cases) {
    const { status, json } = await sendText(text);
    assert.equal(status, 400);
    assert.match(json.error.message, message);
  }
});
