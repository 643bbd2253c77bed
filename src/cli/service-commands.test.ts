import assert from 'node:assert/strict';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, test } from 'node:test';
import { until } from '../lib/test-until.ts';
import { TestLab } from './test-lab.ts';

let lab: TestLab;
let server: Server;
let port: number;
let healthy = true;
before(async () => {
  server = createServer((_, response) =>
    response.writeHead(healthy ? 200 : 503).end(healthy ? 'fine' : 'not  so\nfine'),
  );
  await new Promise<void>((resolve) => void server.listen(0, '127.0.1.1', resolve));
  port = (server.address() as AddressInfo).port;
  lab = await TestLab.start(2);
  const unit = '[Service]\nExecStart=/bin/sleep infinity\n';
  const here = `[X-Fleet]\nMachineID=${lab.machines[0]!.id}\n`;
  lab.write(
    'web@.service',
    `${unit}[X-Service]\nPort=%i\nTags=http,blue\nCheck=http:/\nInterval=200ms\nDrain=6\n${here}`,
  );
  const ownPort = 'Check=script:test $SERVICE_PORT = 9\nInterval=200ms';
  lab.write('plain.service', `${unit}[X-Service]\nName=plain\nPort=9\n${ownPort}\nDrain=0\n`);
  await lab.ok(`start ~/web@${port}.service ~/plain.service`);
  await until('both are passing', async () => (await lab.run('resolve web')).status === 0);
  await until('both are there', async () => (await lab.run('resolve plain')).status === 0);
});
after(async () => {
  await lab?.close();
  server.close();
});

test('services', async () => {
  assert.equal(
    await lab.ok('services'),
    'SERVICE\tINSTANCES\tPASSING\tTAGS\nplain\t1\t\t1\t-\nweb\t1\t\t1\tblue,http\n',
  );
  const [plain, web] = JSON.parse(await lab.ok('services -o json'));
  assert.deepEqual([plain.name, web.name, web.instances[0].tags], ['plain', 'web', ['http', 'blue']]);
});

test('services NAME', async () => {
  const short = `${lab.machines[0]!.id.slice(0, 8)}.../m1`;
  const id = `web@${port}.service:web:${port}`;
  const row = [id, `127.0.1.1:${port}`, short, 'passing', `web@${port}.service`, '-'].join('\t');
  assert.match(await lab.ok('services web'), /^INSTANCE\t+ADDRESS\t+MACHINE\t+HEALTH\tUNIT\t+CHECK\n/);
  assert.equal(await lab.ok('services web --no-legend'), `${row}\n`);
  assert.deepEqual(await lab.run('services nope'), { status: 1, out: '', err: 'Service nope does not exist.\n' });
  assert.equal((await lab.run('services a b')).status, 2);
});

test('resolve, from every machine alike', async () => {
  assert.equal(await lab.ok('resolve web'), `127.0.1.1:${port}\n`);
  const other = await lab.run(`--endpoint unix://${lab.machines[1]!.socket} resolve web`);
  assert.deepEqual(other, { status: 0, out: `127.0.1.1:${port}\n`, err: '' });
  assert.deepEqual(await lab.run('resolve nope'), { status: 1, out: '', err: 'Service nope does not exist.\n' });
  assert.equal((await lab.run('resolve')).status, 2);
});

test('an instance whose check fails is not resolved, and says why', async () => {
  healthy = false;
  await until('it is critical', async () => (await lab.run('resolve web')).status === 1);
  const { out, err } = await lab.run('resolve web');
  assert.deepEqual([out, err], ['', 'No instance of web is well: see fleetctl services web\n']);
  assert.match(
    await lab.ok('services web --no-legend'),
    /\tcritical\t.*\tHTTP GET http:\S+: 503 Service Unavailable O…\n/,
  );
  healthy = true;
  await until('it is well again', async () => (await lab.run('resolve web')).status === 0);
});

test('a service leaves before its unit is stopped, and no other unit waits for that', async () => {
  const state = async (unit: string) =>
    (await lab.ok('list-units --no-legend --fields unit,sub')).includes(`${unit}\trunning`);
  await lab.run(`stop --no-block web@${port}.service plain.service`);
  await until('the other unit has stopped', async () => !(await state('plain.service')));
  assert.equal((await lab.run('resolve web')).status, 1);
  assert.ok(await state(`web@${port}.service`));
  await until('the unit has stopped', async () => !(await state(`web@${port}.service`)));
});
