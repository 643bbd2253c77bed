import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { systemClock as clock, createLog, systemRandom as random } from '../../src/lib/index.ts';
import { until } from '../../src/lib/test-until.ts';
import { healthOf, LocalServices, runProbe } from '../../src/services/index.ts';
import { ContainerServices } from '../../src/services/sources/index.ts';

const directory = mkdtempSync(path.join(tmpdir(), 'checks-'));
const stopping = new AbortController();
after(() => {
  stopping.abort(new Error('stopped'));
  rmSync(directory, { recursive: true, force: true });
});

const PACE = 'SERVICE_CHECK_INTERVAL=100ms';
const marker = (name: string) => path.join(directory, name);

/** What Docker's API tells of one running container with this environment and these labels. */
async function fakeDocker(socket: string, env: readonly string[], labels: Readonly<Record<string, string>>) {
  const container = {
    Id: 'c0ffee',
    Name: '/evil-1',
    State: { Running: true },
    Config: { Image: 'me/evil', Env: env, Labels: labels },
    NetworkSettings: {
      Ports: { '80/tcp': [{ HostIp: '', HostPort: '8080' }], '81/tcp': [{ HostIp: '', HostPort: '8081' }] },
    },
  };
  const server = createServer((request, response) => {
    if (request.url?.startsWith('/events')) return void response.writeHead(200).flushHeaders();
    response.end(JSON.stringify(request.url === '/containers/json' ? [{ Id: 'c0ffee' }] : container));
  });
  await new Promise<void>((resolve) => void server.listen(socket, resolve));
  after(() => void server.close().closeAllConnections());
}

interface Said {
  readonly env?: readonly string[];
  readonly labels?: Readonly<Record<string, string>>;
  readonly allowed?: boolean;
  readonly registered?: object;
}

let machines = 0;

async function machineWith({ env = [], labels = {}, allowed = false, registered }: Said) {
  const [socket, file] = [marker(`${++machines}.sock`), marker(`${machines}.json`)];
  await fakeDocker(socket, env, labels);
  if (registered !== undefined) writeFileSync(file, JSON.stringify(registered));
  const lines: string[] = [];
  const { signal } = stopping;
  const log = createLog((line) => lines.push(line), 'info');
  const facts = () => ({ hostName: 'm1', address: '127.0.0.1', internal: false });
  const local = new LocalServices({
    machine: () => ({
      id: 'm1',
      address: '127.0.0.1',
      metadata: {},
      version: '1',
      resources: { cores: 1, memoryBytes: 1 },
    }),
    sources: [new ContainerServices({ socket, machine: facts, clock, random, log })],
    file,
    unitOf: () => undefined,
    unitContainersOnly: false,
    drainMs: 0,
    scriptChecks: { api: false, container: allowed },
    ...{ probe: runProbe, clock, random, log, signal },
  });
  const instance = (id: string) => local.instances().get(id);
  return { instance, lines };
}

const FORMS: readonly (readonly [name: string, (command: string) => Said])[] = [
  ['a variable', (command) => ({ env: [`SERVICE_CHECK_SCRIPT=${command}`, PACE] })],
  ['a variable of a port', (command) => ({ env: [`SERVICE_80_CHECK_SCRIPT=${command}`, PACE] })],
  ['a label', (command) => ({ labels: { SERVICE_CHECK_SCRIPT: command, SERVICE_CHECK_INTERVAL: '100ms' } })],
  ['a command for the container', (command) => ({ env: [`SERVICE_CHECK_CMD=${command}`, PACE] })],
  [
    'one that wants to begin well',
    (command) => ({ env: [`SERVICE_CHECK_SCRIPT=${command}`, 'SERVICE_CHECK_INITIAL_STATUS=passing', PACE] }),
  ],
  [
    'one that wants to be forgotten',
    (command) => ({ env: [`SERVICE_CHECK_SCRIPT=${command}`, 'SERVICE_CHECK_DEREGISTER_AFTER=1ms', PACE] }),
  ],
];
for (const [index, [name, said]] of FORMS.entries())
  test(`no command of a container runs, its instance is critical and says the setting: ${name}`, async () => {
    const made = marker(`made-${index}`);
    // Beside it a check of the same pace that may run: once that has a result, the other would have had its turn.
    const { env = [], labels = {} } = said(`touch ${made}`);
    const { instance, lines } = await machineWith({ env, labels });
    const allowed = await machineWith({ ...said(`touch ${made}.allowed`), allowed: true });
    await until('it is offered', () => instance('m1:evil-1:80') !== undefined);
    if (name !== 'a command for the container')
      await until('where it is allowed it runs', () => existsSync(`${made}.allowed`));
    assert.ok(allowed.lines.every((line) => !line.includes('refused')));
    const evil = instance('m1:evil-1:80')!;
    assert.equal(healthOf(evil), 'critical');
    assert.deepEqual(
      evil.checks.map(({ type, output }) => [type, output]),
      [['script', 'checks that run programs are refused here: set docker_script_checks=true to allow them']],
    );
    assert.equal(existsSync(made), false);
    const told = lines.filter((line) => line.includes('Check refused'));
    assert.equal(told.length, 1, lines.join('\n'));
    assert.match(told[0]!, /evil-1.*docker_script_checks=true/);
  });

test('a check that was registered while script_checks=true is refused once that is taken back', async () => {
  const made = marker('kept');
  const probe = { type: 'script', args: ['touch', made], env: {}, intervalMs: 100, timeoutMs: 1000 };
  const check = { id: 'c', name: 'c', notes: '', probe, status: 'passing' };
  const service = {
    id: 'db',
    name: 'db',
    address: '',
    port: 1,
    tags: [],
    meta: {},
    weights: { passing: 1, warning: 1 },
    enableTagOverride: false,
    routes: [],
    source: 'api',
    checks: [check],
  };
  const tcp = {
    ...check,
    id: 'd',
    probe: { type: 'tcp', host: '127.0.0.1', port: 1, intervalMs: 100, timeoutMs: 1000 },
  };
  const registered = { services: [service], checks: [['db', [{ ...check, id: 'added' }, tcp]]], maintenance: [] };
  const { instance } = await machineWith({ registered });
  const output = (id: string) => instance('db')?.checks.find((each) => each.id === id)?.output ?? '';
  await until('the other check has run', () => output('d') !== '');
  for (const id of ['c', 'added']) assert.match(output(id), /set script_checks=true/);
  assert.equal(existsSync(made), false);
});
