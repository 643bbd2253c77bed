import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { makeCertificate, noOpenssl } from '../../test/contract/make-certificate.ts';
import { systemClock } from '../lib/index.ts';
import { ask, openTestApi, type TestApi, type TestResponse } from './test-api.ts';

const DAY_MS = 86_400_000;
let api: TestApi;
let passedMs = 0;
before(async () => {
  api = await openTestApi({ clock: { ...systemClock, now: () => systemClock.now() + passedMs } });
});
after(() => api.close());

const at = (name = '') => `${api.url}/fleet/v1/router/certificates${name}`;
const put = (name: string, body: unknown) => ask(at(`/${name}`), { method: 'PUT', body });
const remove = (name: string) => ask(at(`/${name}`), { method: 'DELETE' });

test('certificates go in, are listed without their keys, and go out', { skip: noOpenssl }, async () => {
  const { cert, key } = makeCertificate('example.com', '*.example.com');
  const answers: TestResponse[] = [await ask(at())];
  assert.deepEqual(answers[0]!.json, { certificates: [] });
  answers.push(await put('example.com', { pem: cert + key }), await put('example.com', { pem: key + cert }));
  answers.push(await put('Other', { pem: cert + key }), await ask(at()));
  assert.deepEqual(
    answers.map(({ status }) => status),
    [200, 201, 204, 201, 200],
  );
  const [{ expiresMs }] = answers.at(-1)!.json.certificates;
  assert.ok(Math.abs(expiresMs - systemClock.now() - 2 * DAY_MS) < DAY_MS);
  const hosts = ['example.com', '*.example.com'];
  const expected = ['Other', 'example.com'].map((name) => ({ name, hosts, expiresMs }));
  assert.deepEqual(answers.at(-1)!.json, { certificates: expected });
  const secret = key.split('\n')[1]!;
  for (const { text } of answers) assert.ok(!text.includes(secret));
  assert.equal((await remove('Other')).status, 204);
  assert.equal((await remove('Other')).status, 404);
  assert.equal((await ask(at('/example.com'))).status, 405);
  await api.cluster.putCertificate('by-other-means', 'nonsense');
  const [odd] = (await ask(at())).json.certificates;
  assert.deepEqual(odd, { name: 'by-other-means', hosts: [], expiresMs: 0 });
});

test('what cannot be used is refused, and nothing of it stored', { skip: noOpenssl }, async () => {
  const { cert, key } = makeCertificate('example.com');
  const other = makeCertificate('other.com');
  const cases: readonly (readonly [string, unknown, RegExp])[] = [
    ['bad', { pem: cert }, /no private key/],
    ['bad', { pem: cert + other.key }, /key does not belong/],
    ['bad', { pem: 7 }, /"pem" in the request body/],
    ['bad', {}, /"pem" in the request body/],
    ['..bad', { pem: cert + key }, /name of a certificate/],
    ['bad%2Fbad', { pem: cert + key }, /name of a certificate/],
  ];
  for (const [name, body, message] of cases) {
    const { status, json } = await put(name, body);
    assert.equal(status, 400);
    assert.match(json.error.message, message);
  }
  passedMs = 3 * DAY_MS;
  const late = await put('bad', { pem: cert + key });
  passedMs = 0;
  assert.equal(late.status, 400);
  assert.match(late.json.error.message, /it expired on \d{4}-\d\d-\d\d/);
  const names = [...(await api.cluster.certificates()).keys()];
  assert.deepEqual(
    names.filter((name) => name.includes('bad')),
    [],
  );
});
