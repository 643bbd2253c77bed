import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { silentLog, systemClock, systemRandom } from '../lib/index.ts';
import type { UnitRuntime } from '../runtime/index.ts';
import { openSupervisor, powerOff } from '../runtime/supervisor/index.ts';
import { hashUnit, serializeUnitFile, type UnitOption } from '../unitfile/index.ts';
import {
  type ApiTestCluster,
  ask,
  eventually,
  type JoinedMachine,
  joinMachine,
  open,
  openTestApi,
  openTestCluster,
  place,
  report,
  type TestApi,
} from './test-api.ts';

interface TestMachine extends TestApi {
  readonly joined: JoinedMachine;
  readonly runtime: UnitRuntime;
}

const ID1 = '1'.repeat(32);
const ID2 = '2'.repeat(32);
const ID3 = '3'.repeat(32);
let shared: ApiTestCluster;
let m1: TestMachine;
let m2: TestMachine;

before(async () => {
  shared = await openTestCluster();
  m1 = await openMachine(ID1, 1000);
  m2 = await openMachine(ID2, 600_000);
});
after(async () => {
  await m1.close();
  await m2.close();
  await shared.close();
});

/** A machine with its own supervisor, whose API the other reaches over TCP; it waits that long for others. */
async function openMachine(id: string, peerTimeoutMs: number): Promise<TestMachine> {
  const directory = join(shared.directory, id);
  const script = `
    import { runSupervisor } from ${JSON.stringify(import.meta.resolve('../runtime/supervisor/index.ts'))};
    import { silentLog } from ${JSON.stringify(import.meta.resolve('../lib/index.ts'))};
    await runSupervisor({ ...${JSON.stringify({ directory, machineId: id, hostname: 'test' })}, log: silentLog });`;
  const spawn = { command: process.execPath, args: ['--input-type=module', '-e', script] };
  const parts = { clock: systemClock, random: systemRandom, log: silentLog };
  const runtime = await openSupervisor({ directory, spawn, machineId: id, ...parts });
  const api = await openTestApi({ on: shared, machineId: id, runtime, peerTimeoutMs });
  const joined = await joinMachine(shared.cluster, id, { endpoint: api.url, address: `10.0.0.${id[0]}` });
  const close = async () => {
    await api.close();
    await runtime.close();
    await powerOff({ directory });
  };
  return { ...api, joined, runtime, close };
}

/** A unit in the cluster, running on these machines. */
async function run(name: string, command: string, machines: readonly TestMachine[], more: readonly UnitOption[] = []) {
  const options = [{ section: 'Service', name: 'ExecStart', value: command }, ...more];
  const hash = hashUnit(options);
  await ask(`${m1.url}/fleet/v1/units/${name}`, { method: 'PUT', body: { options, desiredState: 'launched' } });
  await place(
    shared.cluster,
    m1.joined,
    machines.map(({ joined }) => ({ unit: name, hash, machine: joined.machine.id })),
  );
  for (const { runtime, joined } of machines) {
    await runtime.apply({ unload: [], load: [{ name, hash, text: serializeUnitFile(options) }] });
    await runtime.start([name]);
    await report(shared.cluster, joined, [{ unit: name, hash }]);
  }
  for (const { runtime } of machines) {
    await eventually(
      `${name} to be active`,
      async () => (await runtime.status(name)).text.includes('active') || undefined,
    );
  }
}

const GLOBAL = { section: 'X-Fleet', name: 'Global', value: 'true' };
const LOOP = `/bin/sh -c 'i=0; while true; do i=$((i+1)); echo line $i; sleep 0.05; done'`;

test('status comes from the machine that holds the unit, whichever is asked', async () => {
  await run('status@1.service', '/bin/sleep infinity', [m2]);
  for (const { url } of [m1, m2]) {
    const { status, json } = await ask(`${url}/fleet/v1/units/status%401.service/status`);
    assert.equal(status, 200);
    assert.equal(json.name, 'status@1.service');
    assert.deepEqual(
      json.reports.map(({ machineID, address }: Record<string, string>) => [machineID, address]),
      [[ID2, '10.0.0.2']],
    );
    assert.match(json.reports[0].text, /status@1\.service/);
    assert.equal(json.reports[0].exitCode, 0);
  }
  const refused = async (path: string) => {
    const { status, json } = await ask(`${m1.url}/fleet/v1/units/${path}`);
    return [status, json.error?.message];
  };
  assert.deepEqual(await refused('none.service/status'), [404, 'unit does not exist']);
  assert.deepEqual(await refused('status@1.service/status?lines=x'), [400, 'lines=x is not a number of lines']);
  assert.deepEqual(await refused(`status@1.service/status?machine=${ID1}`), [
    404,
    `unit status@1.service is not on machine ${ID1}: it is on 22222222.../10.0.0.2`,
  ]);
});

test('a global unit has a status from every machine, also when one of them does not answer', async () => {
  await run('global.service', '/bin/sleep infinity', [m1, m2], [GLOBAL]);
  const path = '/fleet/v1/units/global.service/status';
  const all = await ask(m1.url + path);
  assert.deepEqual(
    all.json.reports.map((r: { machineID: string; exitCode: number }) => [r.machineID, r.exitCode]),
    [
      [ID1, 0],
      [ID2, 0],
    ],
  );
  const one = await ask(`${m1.url}${path}?machine=2222`);
  assert.deepEqual(
    one.json.reports.map(({ machineID }: { machineID: string }) => machineID),
    [ID2],
  );

  // A machine that is there but does not answer: its endpoint takes connections and says nothing.
  const sockets = new Set<Socket>();
  const silent = createServer((socket) => sockets.add(socket)).listen(0, '127.0.0.1');
  await once(silent, 'listening');
  const endpoint = `http://127.0.0.1:${(silent.address() as AddressInfo).port}`;
  const m3 = await joinMachine(shared.cluster, ID3, { endpoint });
  await place(shared.cluster, m1.joined, [{ unit: 'global.service', hash: 'x', machine: ID3 }]);
  let isPatientOver = false;
  const patient = ask(m2.url + path).finally(() => {
    isPatientOver = true;
  });
  await eventually('the silent machine is asked', () => sockets.size > 0 || undefined);
  const partly = await ask(m1.url + path);
  // By the time in which this is served, one that waited no longer would be over too.
  await ask(`${m1.url}${path}?machine=2222`);
  assert.equal(isPatientOver, false);
  assert.deepEqual(
    partly.json.reports.map(({ error }: { error?: string }) => error !== undefined),
    [false, false, true],
  );
  assert.match(partly.json.reports[2].error, /did not answer in time/);
  silent.close();
  for (const socket of sockets) socket.destroy();
  assert.doesNotMatch((await patient).json.reports[2].error, /in time/);
  await m3.lease.revoke();
  const gone = await ask(m1.url + path);
  assert.match(gone.json.reports[2].error, /is not in the cluster at the moment/);
});

test('the journal comes from the machine that holds the unit', async () => {
  await run('log.service', `/bin/sh -c 'for i in 1 2 3 4 5; do echo line $i; done; exec sleep infinity'`, [m2]);
  const journal = (url: string, query: string) => ask(`${url}/fleet/v1/units/log.service/journal${query}`);
  await eventually('the last line', async () => (await journal(m1.url, '')).text.includes('line 5') || undefined);
  for (const { url } of [m1, m2]) {
    const { status, text, headers } = await journal(url, '?lines=2&output=cat');
    assert.deepEqual([status, text, headers['content-type']], [200, 'line 4\nline 5\n', 'text/plain; charset=utf-8']);
    assert.equal((await journal(url, '?lines=0')).text, '');
    assert.equal((await journal(url, '?output=no+such')).status, 400);
  }
});

test('a followed journal streams, and ends on the other machine when the client hangs up', async () => {
  await run('follow.service', LOOP, [m2]);
  const response = await open(`${m1.url}/fleet/v1/units/follow.service/journal?follow=true&lines=1&output=cat`);
  let text = '';
  response.on('data', (chunk) => {
    text += chunk;
  });
  const lines = () => text.split('\n').filter((line) => line.startsWith('line '));
  await eventually('ten lines', () => lines().length > 10 || undefined);
  const numbers = lines().map((line) => Number(line.slice(5)));
  assert.deepEqual(
    numbers,
    numbers.map((_, i) => numbers[0]! + i),
  );
  const streams = async () =>
    Number(/^fleet_api_journal_streams (\d+)$/m.exec((await ask(`${m2.url}/metrics`)).text)?.[1]);
  assert.ok((await streams()) > 0);
  response.destroy();
  await eventually('the stream on the other machine to end', async () => (await streams()) === 0 || undefined);
});

test('a journal that breaks off says so', async () => {
  // The other machine behind a wire that can be cut.
  const wires = new Set<Socket>();
  const wire = createServer((near) => {
    const far = connect(Number(new URL(m2.url).port), '127.0.0.1');
    for (const socket of [near, far]) wires.add(socket.on('error', () => {}));
    near.pipe(far).pipe(near);
  }).listen(0, '127.0.0.1');
  await once(wire, 'listening');
  const endpoint = `http://127.0.0.1:${(wire.address() as AddressInfo).port}`;
  const m3 = await joinMachine(shared.cluster, ID3, { endpoint });
  await run('cut.service', LOOP, [m2]);
  await place(shared.cluster, m1.joined, [{ unit: 'cut.service', hash: 'x', machine: ID3 }]);
  const url = `${m1.url}/fleet/v1/units/cut.service/journal?machine=${ID3}&output=cat`;
  const response = await open(`${url}&follow=true`);
  let text = '';
  response.on('data', (chunk) => {
    text += chunk;
  });
  const ended = once(response, 'end');
  await eventually('a line', () => text.includes('line') || undefined);
  for (const socket of wires) socket.destroy();
  await ended;
  assert.match(text, /\n-- journal of cut\.service broke off: .+ --\n$/);
  wire.close();
  await m3.lease.revoke();
  const { status, json } = await ask(url);
  assert.deepEqual([status, json.error.message], [504, `machine ${ID3} is not in the cluster at the moment`]);
});

test('a followed journal ends with a word when fleetd stops', async () => {
  const other = await openTestApi({ on: shared, machineId: ID2, runtime: m2.runtime });
  const response = await open(`${other.url}/fleet/v1/units/follow.service/journal?follow=true&output=cat&lines=1`);
  let text = '';
  response.on('data', (chunk) => {
    text += chunk;
  });
  const ended = once(response, 'end');
  await eventually('a line', () => text.includes('line') || undefined);
  await other.close();
  await ended;
  assert.match(text, /\n-- journal of follow\.service ends here: fleetd is stopping --\n$/);
});

test('journals that cannot be had are refused in words', async () => {
  const refused = async (name: string, query = '') => {
    const { status, json } = await ask(`${m1.url}/fleet/v1/units/${name}/journal${query}`);
    return [status, json?.error?.message];
  };
  await ask(`${m1.url}/fleet/v1/units/idle.service`, {
    method: 'PUT',
    body: { options: [{ section: 'Service', name: 'ExecStart', value: '/bin/true' }], desiredState: 'inactive' },
  });
  await run('global2.service', '/bin/sleep infinity', [m1, m2], [GLOBAL]);
  assert.deepEqual(await refused('none.service'), [404, 'unit does not exist']);
  assert.deepEqual(await refused('idle.service'), [409, 'unit idle.service runs on no machine']);
  assert.deepEqual(await refused('global2.service'), [
    400,
    'unit global2.service runs on several machines, name one: it is on 11111111.../10.0.0.1 and 22222222.../10.0.0.2',
  ]);
  assert.equal((await refused('global2.service', `?machine=${ID2}`))[0], 200);
});

test('the routes for other fleetds need the secret of the cluster', async () => {
  await run('secret.service', '/bin/sleep infinity', [m2]);
  const url = `${m2.url}/fleet/v1/peer/units/secret.service/status`;
  const secret = await shared.cluster.secret();
  const status = async (authorization?: string) =>
    (await ask(url, { headers: authorization === undefined ? {} : { authorization } })).status;
  assert.equal(await status(), 401);
  assert.equal(await status('Bearer wrong'), 401);
  assert.equal(await status(`Basic ${secret}`), 401);
  assert.equal(await status(`Bearer ${secret}`), 200);
  for (const path of [
    '/v1-alpha/peer/units/secret.service/journal',
    '/fleet/v1/peer/units/x/y',
    '/fleet/v1/peer//units',
  ]) {
    assert.equal((await ask(m2.url + path)).status, 401, path);
  }
});
