import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { allProcesses, argumentsOf } from '../../src/lab/process-identity.ts';
import { killStrays } from '../../src/lab/stray-processes.ts';
import { readStateFile, replaceStateFile } from '../../src/lib/index.ts';
import { freePort } from '../../src/lib/test-free-port.ts';
import { until } from '../../src/lib/test-until.ts';
import { isRouted } from '../../src/router/index.ts';
import { powerOff } from '../../src/runtime/supervisor/index.ts';
import { startEmbedded } from '../contract/store-servers.ts';
import { TAMPERINGS } from './tamperings.ts';

const FLEETD = path.join(import.meta.dirname, '../../src/daemon/main.ts');
// Laid out as in a lab, whose way of finding what is left behind also finds a router that has only just begun.
const root = mkdtempSync(path.join(tmpdir(), 'flotilla-tampered-'));
const machine = path.join(root, 'm1');
const state = path.join(machine, 'state');
const supervisor = path.join(state, 'supervisor');
const twice = path.join(root, 'twice');
/** How long the units of this run sleep, by which their processes are known. */
const sleeps = (name: string): string => `86400.${name.charCodeAt(0)}${process.pid}`;

/** Whatever has become of these, fleetd joins and its units run on. A new file has to be added to one of the lists, and so is tampered with. */
const MENDED = [
  'lease',
  'ready.json',
  'router/router.pid',
  'services.json',
  'stop-promise',
  'supervisor/run/boot',
  'supervisor/supervisor.log',
  'supervisor/supervisor.pid',
  'token',
];
/** The same of these, which are written again with the next line. */
const LOGS = ['supervisor/log/a.service/current', 'supervisor/log/b.service/current'];
/** A unit whose own files are damaged is stopped and started again. */
const OF_A_UNIT = ['supervisor/run/memory/a.service', 'supervisor/run/units/a.service'];
const OF_ANOTHER = ['supervisor/run/memory/b.service', 'supervisor/run/units/b.service'];
/** fleetd refuses to start beside it, in a sentence: another supervisor might hold what is lost. */
const REFUSED = ['supervisor/lock-key'];

/** One of each kind: a start of all processes takes a second. */
const WAYS = [
  'is empty',
  'is JSON of another shape',
  'is garbage',
  'is a directory',
  'is a link to itself',
  'is a FIFO',
  'is huge',
];

/** Each copy of a unit that finds another one running says so. */
function unit(name: string, more = ''): object {
  const lock = path.join(root, `${name}.lock`);
  const script = `exec 9>${lock}; flock -n 9 || echo ${name} >>${twice}; exec sleep ${sleeps(name)}`;
  const option = (section: string, key: string, value: string) => ({ section, name: key, value });
  const options = [
    option('Service', 'ExecStart', `/bin/sh -c '${script}'`),
    option('Service', 'Restart', 'always'),
    ...(more === '' ? [] : [option('X-Fleet', 'OnPartition', more)]),
  ];
  return { desiredState: 'launched', options };
}

function running(name: string): readonly number[] {
  return allProcesses().flatMap(({ pid }) => (argumentsOf(pid)[1] === sleeps(name) ? [pid] : []));
}

class Fleetd {
  readonly #child: ChildProcess;
  readonly exited: Promise<unknown>;
  said = '';

  constructor(config: string) {
    this.#child = spawn(process.execPath, [FLEETD, '--config', config], { stdio: ['ignore', 'ignore', 'pipe'] });
    this.exited = once(this.#child, 'exit');
    this.#child.stderr!.on('data', (data) => (this.said += data));
  }

  get status(): number | null {
    return this.#child.exitCode;
  }

  /** Joined, as the file for whoever started it says. */
  get isReady(): boolean {
    try {
      return JSON.parse(readStateFile(path.join(state, 'ready.json'))).pid === this.#child.pid;
    } catch {
      return false;
    }
  }

  /** It and its supervisor. The router goes on, and has to be found by the next fleetd. */
  async kill(): Promise<void> {
    const holder = path.join(supervisor, 'supervisor.pid');
    const { pid } = JSON.parse(readFileSync(holder, 'utf8')) as { pid: number };
    this.#child.kill('SIGKILL');
    await this.exited;
    process.kill(pid, 'SIGKILL');
  }

  async stop(): Promise<void> {
    this.#child.kill('SIGTERM');
    await this.exited;
  }
}

function filesOf(directory: string): string[] {
  const names = readdirSync(directory, { recursive: true, encoding: 'utf8' }).sort();
  return names.filter((name) => lstatSync(path.join(directory, name)).isFile());
}

interface Setup {
  readonly config: string;
  readonly api: string;
  readonly consul: string;
}

async function configure(store: string): Promise<Setup> {
  mkdirSync(machine);
  const config = path.join(machine, 'fleet.conf');
  const [api, router, consul, dns] = [await freePort(), await freePort(), await freePort(), await freePort()];
  const lines = [
    `etcd_servers=["${store}"]`,
    'public_ip=127.0.0.1',
    'agent_ttl=2s',
    `machine_id=${'1'.repeat(32)}`,
    `state_directory=${state}`,
    `listen=["127.0.0.1:${api}"]`,
    'runtime=supervisor',
    `router_listen=127.0.0.1:${router}`,
    `consul_listen=127.0.0.1:${consul}`,
    `dns_listen=127.0.0.1:${dns}`,
  ];
  writeFileSync(config, `${lines.join('\n')}\n`);
  return { config, api: `http://127.0.0.1:${api}`, consul: `http://127.0.0.1:${consul}` };
}

async function put(url: string, body: object): Promise<void> {
  const headers = { 'content-type': 'application/json' };
  const response = await fetch(url, { method: 'PUT', headers, body: JSON.stringify(body) });
  assert.ok(response.ok, await response.text());
}

async function startTampered(config: string, names: readonly string[], what: string): Promise<Fleetd> {
  for (const name of names) TAMPERINGS[what]!(path.join(state, name));
  const fleetd = new Fleetd(config);
  const why = (error: unknown) => {
    throw new Error(`${names} ${what}: ${fleetd.said}`, { cause: error });
  };
  await until('it joins or ends', () => fleetd.isReady || fleetd.status !== null, 60_000).catch(why);
  assert.doesNotMatch(fleetd.said, /^\s+at /m, `${names} ${what}`);
  return fleetd;
}

async function joins(fleetd: Fleetd, what: string): Promise<void> {
  assert.ok(fleetd.isReady, `${what}: ${fleetd.said}`);
  const router = path.join(state, 'router');
  const routers = () => allProcesses().filter(({ pid }) => argumentsOf(pid).includes(router));
  const isWell = () =>
    ['a', 'b'].every((name) => running(name).length === 1) && isRouted(router) && routers().length === 1;
  await until(`${what}: each unit runs once, and one router`, isWell, 60_000).catch((error) => {
    throw new Error(`${error}; running: ${['a', 'b'].map(running).join(' and ')}\n${fleetd.said}`, { cause: error });
  });
  const missing = [...MENDED, ...OF_A_UNIT].filter((name) => !existsSync(path.join(state, name)));
  const isWhole = () => missing.every((name) => existsSync(path.join(state, name)));
  await until(`${what}: ${missing} are written again`, isWhole, 60_000);
  const log = readFileSync(path.join(supervisor, 'supervisor.log'), 'utf8');
  assert.doesNotMatch(log, /^\s+at /m, what);
  assert.ok(!existsSync(twice), `${what}: no unit ran twice`);
}

test('fleetd with tampered files joins, and its units run once; or it refuses in one sentence that names the file', async (t) => {
  const store = await startEmbedded();
  t.after(async () => {
    await killStrays(root);
    await powerOff({ directory: supervisor });
    await store.stop();
    rmSync(root, { recursive: true, force: true });
  });
  const { config, api, consul } = await configure(store.endpoint);
  let fleetd = new Fleetd(config);
  await until('it is ready', () => fleetd.isReady, 60_000);
  await put(`${api}/fleet/v1/units/a.service`, unit('a'));
  await put(`${api}/fleet/v1/units/b.service`, unit('b', 'stop'));
  const register = () => put(`${consul}/v1/agent/service/register`, { Name: 'web', Port: 80 });
  await register();
  await joins(fleetd, 'whole');
  const known = [...MENDED, ...LOGS, ...OF_A_UNIT, ...OF_ANOTHER, ...REFUSED].sort();
  assert.deepEqual(filesOf(state), known);

  for (const what of WAYS) {
    const [before] = running('a');
    await fleetd.kill();
    for (const name of LOGS) replaceStateFile(path.join(state, name), 'what is no log\n');
    fleetd = await startTampered(config, [...MENDED, ...LOGS], what);
    assert.ok(fleetd.isReady, `${what}: ${fleetd.said}`);
    await register();
    await joins(fleetd, what);
    assert.deepEqual(running('a'), [before], `${what}: the unit ran on`);
  }
  await fleetd.kill();
  fleetd = await startTampered(config, OF_A_UNIT, 'is a FIFO');
  await joins(fleetd, 'is a FIFO');
  const key = path.join(state, REFUSED[0]!);
  const whole = readFileSync(key);
  await fleetd.kill();
  for (const what of ['is empty', 'is a directory', 'is a FIFO']) {
    const refused = await startTampered(config, REFUSED, what);
    assert.match(refused.said, /^fleetd: cannot use .*lock-key: .*, then remove the file\n$/m, what);
    assert.ok(!refused.isReady && refused.status !== null, refused.said);
    rmSync(key, { recursive: true });
    writeFileSync(key, whole);
  }
  fleetd = await startTampered(config, [], 'is empty');
  await joins(fleetd, 'whole again');
  for (const name of ['lease', 'ready.json', 'stop-promise', 'services.json'])
    TAMPERINGS['is a directory']!(path.join(state, name));
  await fleetd.stop();
  assert.equal(fleetd.status, 0, fleetd.said);
  assert.deepEqual([...running('a'), ...running('b')], []);
});
