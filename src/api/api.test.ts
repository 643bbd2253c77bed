import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { hashUnit } from '../unitfile/index.ts';
import {
  type AskOptions,
  ask,
  joinMachine,
  openTestApi,
  place,
  report,
  SELF,
  service,
  type TestApi,
} from './test-api.ts';

const M1 = '1'.repeat(32);
const M2 = '2'.repeat(32);
const options = service();
const hash = hashUnit(options);
let api: TestApi;

before(async () => {
  api = await openTestApi({ tokenLimit: 3 });
});
after(() => api.close());

type Expected = { readonly status: number; readonly json?: unknown; readonly message?: string | RegExp };

async function expectAnswer(path: string, asked: AskOptions, expected: Expected): Promise<void> {
  const answer = await ask(api.url + path.replace('~', '/fleet/v1'), asked);
  const what = `${asked.method ?? 'GET'} ${path}: ${answer.text}`;
  assert.equal(answer.status, expected.status, what);
  assert.equal(answer.headers['server'], 'fleetd/9.9.9', what);
  if (expected.json !== undefined) assert.deepEqual(answer.json, expected.json, what);
  if (expected.message === undefined) return;
  assert.equal(answer.headers['content-type'], 'application/json', what);
  assert.equal(answer.json.error.code, expected.status, what);
  if (typeof expected.message === 'string') assert.equal(answer.json.error.message, expected.message, what);
  else assert.match(answer.json.error.message, expected.message, what);
}

const put = (body: unknown): AskOptions => ({ method: 'PUT', body });

test('an empty cluster answers empty lists', async () => {
  await expectAnswer('~/units', {}, { status: 200, json: { units: [] } });
  await expectAnswer('~/state', {}, { status: 200, json: { states: [] } });
  await expectAnswer('~/machines', {}, { status: 200, json: { machines: [] } });
  await expectAnswer('~/summaries', {}, { status: 200, json: { units: [] } });
  await expectAnswer('/v1-alpha/units', {}, { status: 200, json: { units: [] } });
});

test('PUT creates, replaces and changes the desired state as fleet does', async () => {
  const unit = '~/units/put%401.service';
  const name = 'put@1.service';
  await expectAnswer(unit, put({ desiredState: 'launched' }), {
    status: 409,
    message: 'unit does not exist and options field empty',
  });
  await expectAnswer(unit, put({ options, desiredState: 'inactive' }), { status: 201 });
  await expectAnswer(
    unit,
    {},
    { status: 200, json: { name, options, desiredState: 'inactive', currentState: 'inactive' } },
  );
  await expectAnswer('~/units/put@1.service', {}, { status: 200 });
  await expectAnswer(unit, put({ desiredState: 'launched' }), { status: 204 });
  await expectAnswer(unit, put({ desiredState: 'launched', options, name }), { status: 204 });
  await expectAnswer(unit, put({ options }), {
    status: 409,
    message: 'must provide DesiredState to update existing unit',
  });
  await expectAnswer(unit, put({}), { status: 409, message: 'must provide DesiredState to update existing unit' });
  const other = service('MachineMetadata=region=eu');
  await expectAnswer(unit, put({ options: other, name: '', desiredState: null }), { status: 201 });
  await expectAnswer(
    unit,
    {},
    { status: 200, json: { name, options: other, desiredState: 'launched', currentState: 'inactive' } },
  );
  await expectAnswer(unit, { method: 'DELETE' }, { status: 204 });
  await expectAnswer(unit, { method: 'DELETE' }, { status: 404, message: 'unit does not exist' });
  await expectAnswer(unit, {}, { status: 404, message: 'unit does not exist' });
});

test('PUT refuses what fleet refuses', async () => {
  const unit = '~/units/bad.service';
  const refused: readonly [unknown, number, string | RegExp][] = [
    [{ name: 'other.service', options, desiredState: 'loaded' }, 400, /differs from unit name in request body/],
    [{ options, desiredState: 'running' }, 400, /"desiredState" in the request body/],
    [{ options: 'x', desiredState: 'loaded' }, 400, /"options" in the request body/],
    [{ options: [{ section: 1 }], desiredState: 'loaded' }, 400, /"options\.0\.section"/],
    [[], 400, /the request body is not acceptable/],
    [null, 400, /the request body is not acceptable/],
    [{ options: [{ section: 'A', name: 'B', value: 'x\n[Service]\nExecStart=/bad' }] }, 400, /cannot be written/],
    [{ options: [{ section: 'A', name: 'B', value: '\ud800' }] }, 400, /surrogate/],
    [{ options: service('MachineID=x', 'Conflicts=y*') }, 400, /MachineID cannot be combined with Conflicts/],
    [{ options: service('MachineOf=a.service', 'Conflicts=a*') }, 400, /contradicts Conflicts=a\*/],
  ];
  for (const [body, status, message] of refused) await expectAnswer(unit, put(body), { status, message });
  await expectAnswer('~/units/bad', put({ options }), { status: 400, message: /bad/ });
  await expectAnswer('~/units/a%2Fb.service', put({ options }), { status: 400, message: /a\/b/ });
  await expectAnswer('~/units/x@.service', put({ options, desiredState: 'loaded' }), {
    status: 400,
    message: 'cannot activate template "x@.service"',
  });
  await expectAnswer('~/units/x@.service', put({ options, desiredState: 'inactive' }), { status: 201 });
  await expectAnswer('~/units/x@.service', put({ desiredState: 'launched' }), {
    status: 400,
    message: 'cannot activate template "x@.service"',
  });
  await expectAnswer('~/units/x@.service', { method: 'DELETE' }, { status: 204 });
  const text = (type: string, body: string) => ({ method: 'PUT', headers: { 'content-type': type }, body });
  await expectAnswer(unit, text('text/plain', '{}'), { status: 415, message: /application\/json/ });
  await expectAnswer(unit, { method: 'PUT' }, { status: 415, message: /application\/json/ });
  await expectAnswer(unit, text('application/json; charset=utf-8', ''), { status: 400, message: /no body/ });
  await expectAnswer(unit, text('application/json', '{"options":'), { status: 400, message: /not valid JSON/ });
});

test('members of bodies are matched without regard to case, as in Go', async () => {
  const unit = '~/units/case.service';
  const goOptions = options.map(({ section, name, value }) => ({ Section: section, NAME: name, Value: value }));
  await expectAnswer(unit, put({ Options: goOptions, DesiredState: 'loaded', Name: 'case.service' }), { status: 201 });
  const { json } = await ask(`${api.url}/fleet/v1/units/case.service`);
  assert.deepEqual([json.options, json.desiredState], [options, 'loaded']);
  await expectAnswer(unit, put({ DESIREDSTATE: 'running' }), { status: 400, message: /"desiredState"/ });
  await expectAnswer(unit, { method: 'DELETE' }, { status: 204 });
  const path = `/${M1}/metadata/case`;
  const patched = await ask(`${api.url}/fleet/v1/machines`, {
    method: 'PATCH',
    body: [{ Op: 'add', PATH: path, Value: { Value: 'x' } }],
  });
  assert.deepEqual([patched.status, patched.text, patched.headers['content-type']], [204, '', 'application/json']);
  await expectAnswer('~/machines', { method: 'PATCH', body: [{ op: 'remove', path }] }, { status: 204 });
});

test('PATCH /machines sets metadata that outlives the machine', async () => {
  const patch = (...body: unknown[]): AskOptions => ({ method: 'PATCH', body });
  const path = `/${M1}/metadata/region`;
  const refused: readonly [unknown, string | RegExp][] = [
    [{ op: 'noop', path, value: 'x' }, 'invalid op: expect add, remove, or replace'],
    [{ path }, 'invalid op: expect add, remove, or replace'],
    [{ op: 'add', path: `/${M1}/meta/region`, value: 'x' }, 'machine metadata path invalid'],
    [{ op: 'add', path: 7, value: 'x' }, 'machine metadata path invalid'],
    [{ op: 'add', path }, 'invalid value: add and replace require a value'],
    [{ op: 'replace', path, value: '' }, 'invalid value: add and replace require a value'],
    [{ op: 'replace', path, value: { value: 3 } }, 'invalid value: add and replace require a value'],
    ['x', /the request body is not acceptable|"0"/],
  ];
  for (const [operation, message] of refused)
    await expectAnswer('~/machines', patch(operation), { status: 400, message });
  await expectAnswer('~/machines', { method: 'PATCH', body: '{' }, { status: 400, message: /not valid JSON/ });
  await expectAnswer(
    '~/machines',
    patch({ op: 'add', path, value: 'us' }, { op: 'replace', path, value: { value: 'eu' } }),
    { status: 204 },
  );
  await expectAnswer('~/machines', patch(), { status: 204 });
  const { lease } = await joinMachine(api.cluster, M1, { metadata: { disk: 'ssd' }, address: '10.0.0.1' });
  const machine = { id: M1, primaryIP: '10.0.0.1', metadata: { disk: 'ssd', region: 'eu' }, version: '9.9.9' };
  await expectAnswer('~/machines', {}, { status: 200, json: { machines: [machine] } });
  await expectAnswer('~/machines', patch({ op: 'remove', path }), { status: 204 });
  await expectAnswer(
    '~/machines',
    {},
    { status: 200, json: { machines: [{ ...machine, metadata: { disk: 'ssd' } }] } },
  );
  await lease.revoke();
});

test('placements and reports are shown as states', async () => {
  for (const name of ['s1.service', 's2.service', 's3.service', 's4.service']) {
    await expectAnswer(`~/units/${name}`, put({ options, desiredState: 'launched' }), { status: 201 });
  }
  const globalOptions = service('Global=true');
  await expectAnswer('~/units/g.service', put({ options: globalOptions, desiredState: 'launched' }), { status: 201 });
  const m1 = await joinMachine(api.cluster, M1, { address: '10.0.0.1' });
  const m2 = await joinMachine(api.cluster, M2, { address: '10.0.0.2' });
  const g = { unit: 'g.service', hash: hashUnit(globalOptions) };
  await place(api.cluster, m1, [
    { unit: 's1.service', hash },
    { unit: 's2.service', hash },
    { unit: 's3.service', hash, machine: M2 },
    g,
    { ...g, machine: M2 },
  ]);
  await report(api.cluster, m1, [{ unit: 's1.service', hash }, { unit: 's2.service', hash: 'older' }, g]);
  await report(api.cluster, m2, [{ unit: 's3.service', hash, state: 'loaded', active: 'inactive', sub: 'dead' }]);
  const unit = (name: string, more: object) => ({ name, options, desiredState: 'launched', ...more });
  await expectAnswer(
    '~/units?all=true',
    {},
    {
      status: 200,
      json: {
        units: [
          { name: 'g.service', options: globalOptions, desiredState: 'launched' },
          unit('s1.service', { currentState: 'launched', machineID: M1 }),
          unit('s2.service', { currentState: 'inactive', machineID: M1 }),
          unit('s3.service', { currentState: 'loaded', machineID: M2 }),
          unit('s4.service', { currentState: 'inactive' }),
        ],
      },
    },
  );
  const state = (name: string, machineID: string, more: object = {}) => ({
    name,
    hash,
    machineID,
    systemdLoadState: 'loaded',
    systemdActiveState: 'active',
    systemdSubState: 'running',
    ...more,
  });
  const s3 = state('s3.service', M2, { systemdActiveState: 'inactive', systemdSubState: 'dead' });
  const states = [
    state('g.service', M1, { hash: g.hash }),
    state('s1.service', M1),
    state('s2.service', M1, { hash: 'older' }),
    s3,
  ];
  await expectAnswer('~/state?all=true', {}, { status: 200, json: { states } });
  await expectAnswer(`~/state?machineID=${M2}`, {}, { status: 200, json: { states: [s3] } });
  await expectAnswer('~/state?unitName=s1.service', {}, { status: 200, json: { states: [states[1]] } });
  await expectAnswer(`~/state?unitName=s1.service&machineID=${M2}`, {}, { status: 200, json: { states: [] } });
  await expectAnswer('~/state/s3.service', {}, { status: 200, json: s3 });
  await expectAnswer('~/state/s4.service', {}, { status: 404, message: 'unit state does not exist' });
  const status = { hash, state: 'launched', load: 'loaded', active: 'active', sub: 'running' };
  const placement = { machineID: M1, address: '10.0.0.1', reason: 'fewest units', desiredState: 'launched', status };
  const s1 = {
    name: 's1.service',
    hash,
    description: 'A test',
    desiredState: 'launched',
    currentState: 'launched',
    global: false,
    placements: [placement],
  };
  await expectAnswer(
    '~/summaries?unit=s1.service&unit=none.service&unit=s1.service',
    {},
    { status: 200, json: { units: [s1] } },
  );
  const { json } = await ask(`${api.url}/fleet/v1/summaries`);
  assert.deepEqual(
    json.units.map((u: { name: string }) => u.name),
    ['g.service', 's1.service', 's2.service', 's3.service', 's4.service'],
  );
  assert.equal(json.units[0].currentState, 'inactive');
  assert.equal(json.units[0].placements.length, 2);
  await expectAnswer('~/leader', {}, { status: 200 });
  await expectAnswer('~/router', {}, { status: 404 });
});

test('lists come in pages of token_limit', async () => {
  const first = await ask(`${api.url}/fleet/v1/units`);
  assert.equal(first.json.nextPageToken, 'AwACAA==');
  const second = await ask(`${api.url}/fleet/v1/units?nextPageToken=AwACAA==`);
  const names = [...first.json.units, ...second.json.units].map((unit) => unit.name);
  assert.deepEqual(names, ['g.service', 's1.service', 's2.service', 's3.service', 's4.service']);
  assert.equal('nextPageToken' in second.json, false);
  await expectAnswer('~/units?nextPageToken=AwAJAA%3D%3D', {}, { status: 200, json: { units: [] } });
  for (const list of ['units', 'state', 'machines']) {
    const bad = `~/${list}?nextPageToken=`;
    const message = /nextPageToken query parameter/;
    await expectAnswer(`${bad}ZAACAA==`, {}, { status: 400, message });
    await expectAnswer(`${bad}x`, {}, { status: 400, message: 'invalid value of nextPageToken query parameter' });
    await expectAnswer(bad, {}, { status: 400, message });
    await expectAnswer(`${bad}AwACAA==&nextPageToken=AwACAA==`, {}, { status: 400, message });
  }
});

test('an answer the client has already is not sent again', async () => {
  for (const path of ['units', 'units?all=true', 'state', 'machines', 'summaries']) {
    const url = `${api.url}/fleet/v1/${path}`;
    const { headers } = await ask(url);
    const again = await ask(url, { headers: { 'if-none-match': `"x", W/${headers.etag}` } });
    assert.deepEqual([again.status, again.text], [304, ''], path);
  }
  const { headers } = await ask(`${api.url}/fleet/v1/units`);
  await ask(`${api.url}/fleet/v1/units/s4.service`, { method: 'PUT', body: { desiredState: 'loaded' } });
  const changed = await ask(`${api.url}/fleet/v1/units?all=true`, {
    headers: { 'if-none-match': String(headers.etag) },
  });
  assert.equal(changed.status, 200);
  assert.match(changed.text, /"s4.service",[^}]*}[^}]*}\],"desiredState":"loaded"/);
});

test('other methods, other paths', async () => {
  const refused: readonly [string, string, string | RegExp][] = [
    ['POST', '~/units', 'only GET supported against this resource'],
    ['POST', '~/units/x.service', 'only GET, PUT and DELETE supported against this resource'],
    ['DELETE', '~/state', 'only GET supported against this resource'],
    ['PUT', '~/state/x.service', 'only GET supported against this resource'],
    ['POST', '~/machines', 'only GET and PATCH supported against this resource'],
    ['POST', '~/discovery', 'only GET supported against this resource'],
    ['OPTIONS', '~/units', 'only GET supported against this resource'],
    ['GET', '/', /supported against this resource/],
    ['POST', '/', /supported against this resource/],
  ];
  for (const [method, path, message] of refused) await expectAnswer(path, { method }, { status: 405, message });
  for (const path of [
    '/fleet',
    '/fleet/v1',
    '/fleet/v2/units',
    '~/unit',
    '~/units/',
    '~/units/a/b',
    '/units',
    '/%ff',
    '~/units/%ff',
  ]) {
    await expectAnswer(path, {}, { status: 404, message: /./ });
  }
});

test('HEAD answers as GET does, without a body', async () => {
  for (const path of ['units', 'machines', 'state', 'discovery', 'events', 'version']) {
    const answer = await ask(`${api.url}/fleet/v1/${path}`, { method: 'HEAD' });
    assert.deepEqual([answer.status, answer.text], [200, ''], path);
  }
  assert.equal((await ask(`${api.url}/fleet/v1/units/none.service`, { method: 'HEAD' })).status, 404);
});

test('health, version, discovery and metrics', async () => {
  await expectAnswer('~/version', {}, { status: 200, json: { machineID: SELF, version: '9.9.9' } });
  await expectAnswer('~/health', {}, { status: 200, json: { ok: true, machineID: SELF, version: '9.9.9' } });
  const { json } = await ask(`${api.url}/fleet/v1/discovery`);
  assert.equal(json.kind, 'discovery#restDescription');
  assert.equal(json.basePath, '/fleet/v1/');
  assert.equal(json.resources.Units.methods.Set.httpMethod, 'PUT');
  const refs = JSON.stringify(json)
    .matchAll(/"\$ref":"([^"]+)"/g)
    .map((match) => match[1]!)
    .toArray();
  for (const ref of refs) assert.ok(ref in json.schemas, ref);
  const openapi = (await ask(`${api.url}/fleet/v1/openapi.json`)).json;
  assert.deepEqual(Object.keys(openapi.paths['/units/{unitName}']), ['get', 'delete', 'put']);
  const body = openapi.paths['/units/{unitName}'].put.requestBody.content['application/json'].schema;
  assert.deepEqual(Object.keys(body.properties), ['name', 'desiredState', 'options', 'submitted']);
  for (const [, ref] of JSON.stringify(openapi).matchAll(/"#\/components\/schemas\/([^"]+)"/g)) {
    assert.ok(ref! in openapi.components.schemas, ref);
  }
  const metrics = await ask(`${api.url}/metrics`);
  assert.match(String(metrics.headers['content-type']), /^text\/plain/);
  for (const name of [
    'fleet_engine_reconcile_count_total',
    'process_resident_memory_bytes',
    'fleet_registry_operation_duration_second_count',
  ]) {
    assert.match(metrics.text, new RegExp(`^${name} [0-9.e+]+$`, 'm'));
  }
  assert.match(metrics.text, /^fleet_api_request_count_total\{method="GET",code="200"\} \d+$/m);
});
