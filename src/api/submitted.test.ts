import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { parseUnitFile, serializeUnitFile } from '../unitfile/index.ts';
import { ask, openTestApi, type TestApi } from './test-api.ts';

const FILE = '# The web.\r\n\r\n[Service]\r\nExecStart=/bin/web\r\n; the end';
const { options } = parseUnitFile(FILE);
let api: TestApi;

before(async () => {
  api = await openTestApi();
});
after(() => api.close());

const put = (name: string, body: object) =>
  ask(`${api.url}/fleet/v1/units/${name}.service`, { method: 'PUT', body: { desiredState: 'inactive', ...body } });
const get = async (path: string) => (await ask(`${api.url}/fleet/v1/units${path}`)).json;

test('a unit has its file as submitted for those who ask, and nobody else', async () => {
  assert.equal((await put('web', { options, submitted: FILE })).status, 201);
  const shown = { name: 'web.service', options, desiredState: 'inactive', currentState: 'inactive' };
  assert.deepEqual(await get('/web.service'), shown);
  assert.deepEqual(await get('/web.service?submitted=true'), { ...shown, submitted: FILE });
  assert.deepEqual(await get(''), { units: [shown] });
  assert.deepEqual(await get('?all=true&submitted=true'), { units: [shown] });
  assert.equal((await ask(`${api.url}/fleet/v1/units/nope.service?submitted=true`)).status, 404);
});

test('units with the same options each have a file of their own, which lasts as long as the options', async () => {
  const submitted = async () => (await get('/own.service?submitted=true')).submitted;
  const own = `# Mine.\n${serializeUnitFile(options)}`;
  assert.equal((await put('own', { options, submitted: own })).status, 201);
  assert.equal(await submitted(), own);
  assert.equal((await put('own', { options, submitted: FILE })).status, 204);
  assert.equal(await submitted(), own);
  const other = [...options, { section: 'Service', name: 'Restart', value: 'always' }];
  assert.equal((await put('own', { options: other })).status, 201);
  assert.equal(await submitted(), undefined);
  assert.equal((await put('own', { options, submitted: FILE })).status, 201);
  assert.equal(await submitted(), FILE);
});

test('a file that is its options serialised is not kept a second time', async () => {
  assert.equal((await put('plain', { options, submitted: serializeUnitFile(options) })).status, 201);
  assert.equal('submitted' in (await get('/plain.service?submitted=true')), false);
});

test('a text with other options than those sent is refused', async () => {
  const others = [
    FILE.replace('/bin/web', '/bin/evil'),
    `${FILE}\nUser=root`,
    '# Nothing',
    FILE.replace('[Service]', '[Unit]'),
    `${FILE}\n[Service`,
    FILE.replace('/bin/web', '/bin/web\rUser=root'),
  ];
  for (const submitted of others) {
    const { status, json } = await put('smuggled', { options, submitted });
    const sentence =
      'the text in "submitted" of unit smuggled.service does not have the options that were sent with it: ' +
      'send those of this text, or leave "submitted" out';
    assert.deepEqual([status, json.error.message], [400, sentence], submitted);
  }
  assert.equal((await put('web', { desiredState: 'loaded', submitted: FILE })).status, 400);
  const long = await put('long', { options, submitted: `#${'x\n#'.repeat(100_000)}\n${FILE}` });
  assert.match(long.json.error.message, /^the file of unit long\.service has \d+ bytes, at most 131072 fit: /);
  assert.equal((await ask(`${api.url}/fleet/v1/units/smuggled.service`)).status, 404);
});
