import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { after, before, describe, test } from 'node:test';
import { LabFixture, type LabMachine } from '../e2e/lab-fixture.ts';

const NOBODY = 65_534;
const skip = process.getuid?.() === 0 ? false : 'only root can be several users';

interface Ran {
  readonly status: number | null;
  readonly said: string;
}

function runAs(uid: number, command: string, ...args: readonly string[]): Promise<Ran> {
  const env = { PATH: process.env['PATH'], ETCDCTL_API: '3' };
  const child = spawn(command, args, { uid, gid: uid, env, cwd: '/', timeout: 60_000 });
  let said = '';
  child.stdout.on('data', (data: Buffer) => (said += data));
  child.stderr.on('data', (data: Buffer) => (said += data));
  return new Promise((resolve, reject) => {
    child.once('error', reject).once('close', (status) => resolve({ status, said }));
  });
}

describe('a lab belongs to its user', { skip }, () => {
  const lab = new LabFixture();
  let machine: LabMachine;
  let store: string;
  before(async () => {
    await lab.up('--machines', '1');
    machine = (await lab.machines())[0]!;
    const status = JSON.parse(await lab.ok('lab', 'status', '-o', 'json')) as { store: { endpoint: string } };
    store = new URL(status.store.endpoint).host;
  });
  after(() => lab.dispose());

  const curl = (uid: number, method: string, url: string, body = '') =>
    runAs(
      uid,
      'curl',
      '-s',
      '-w',
      '\n%{http_code}',
      '-X',
      method,
      '-H',
      'Content-Type: application/json',
      '-d',
      body,
      url,
    );

  test('nobody else starts units by its API, nor reads them', async () => {
    const url = `${machine.endpoint}/fleet/v1/units/evil.service`;
    const options = [{ section: 'Service', name: 'ExecStart', value: '/bin/touch /tmp/evil' }];
    const body = JSON.stringify({ desiredState: 'launched', options });
    const { said } = await curl(NOBODY, 'PUT', url, body);
    assert.match(said, /may use this on this computer/);
    assert.match(said, /\n403$/);
    assert.match((await curl(NOBODY, 'GET', `${machine.endpoint}/fleet/v1/machines`)).said, /\n403$/);
    assert.match((await curl(0, 'GET', url)).said, /\n404$/);
  });

  test("nobody else uses its Consul's API", async () => {
    const base = `http://${machine.address}:${machine.consulPort}`;
    assert.match((await curl(NOBODY, 'PUT', `${base}/v1/kv/x`, 'evil')).said, /may use this on this computer.*\n403$/s);
    assert.match((await curl(0, 'GET', `${base}/v1/kv/x`)).said, /\n404$/);
    assert.match((await curl(0, 'PUT', `${base}/v1/kv/x`, 'good')).said, /^true\n200$/);
  });

  test('nobody else reads or writes its store', async () => {
    const etcdctl = (uid: number, ...args: readonly string[]) => runAs(uid, 'etcdctl', '--endpoints', store, ...args);
    for (const args of [
      ['get', '--prefix', '/'],
      ['put', '/x', 'evil'],
      ['lease', 'grant', '60'],
    ]) {
      const { status, said } = await etcdctl(NOBODY, ...args);
      assert.notEqual(status, 0, said);
      assert.match(said, /may use this on this computer/);
    }
    assert.match((await etcdctl(0, 'get', '/x')).said, /^$/);
    assert.match((await etcdctl(0, 'get', '--prefix', '--keys-only', '/_coreos.com/')).said, /machine\//);
  });

  test('a router is there for everybody', async () => {
    const { said } = await curl(NOBODY, 'GET', `http://${machine.address}:${machine.routerPort}/`);
    assert.doesNotMatch(said, /\n403$/);
    assert.match(said, /\n\d+$/);
  });
});
