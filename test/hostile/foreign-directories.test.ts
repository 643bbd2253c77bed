import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, lchownSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import {
  systemClock as clock,
  createLog,
  makePrivateDirectory,
  systemRandom as random,
  readStat,
  silentLog,
} from '../../src/lib/index.ts';
import { until } from '../../src/lib/test-until.ts';
import { openSupervisor } from '../../src/runtime/supervisor/index.ts';
import { takeLock } from '../../src/runtime/supervisor/lock.ts';
import { SupervisorDirectory } from '../../src/runtime/supervisor/state-directory.ts';
import { startEmbeddedStore } from '../../src/store/embedded/index.ts';

const NOBODY = 65534;
const skip = process.getuid!() === 0 ? false : 'files of another user take root';
const FLEETD = path.join(import.meta.dirname, '../../src/daemon/main.ts');

function temporary(t: TestContext): string {
  const directory = mkdtempSync(path.join(tmpdir(), 'flotilla-foreign-'));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

const modeOf = (file: string) => statSync(file).mode & 0o777;

test('a directory that another user could exchange is refused, and its mode left alone', { skip }, (t) => {
  const folder = temporary(t);
  const [target, link, foreign] = ['target', 'link', 'foreign'].map((name) => path.join(folder, name)) as [
    string,
    string,
    string,
  ];
  for (const directory of [target, foreign]) {
    mkdirSync(directory);
    chmodSync(directory, 0o755);
  }
  symlinkSync(target, link);
  makePrivateDirectory(link);
  assert.equal(modeOf(target), 0o700, "root's own link is followed");
  chmodSync(target, 0o755);
  lchownSync(link, NOBODY, NOBODY);
  lchownSync(foreign, NOBODY, NOBODY);
  for (const directory of [link, foreign])
    assert.throws(() => makePrivateDirectory(directory), {
      code: 'usage',
      message: /belongs to another user \(uid 65534\)/,
    });
  assert.deepEqual([modeOf(target), modeOf(foreign)], [0o755, 0o755]);
});

test('an old store that everybody could read is closed to them at its start, and a new one is from the beginning', async (t) => {
  const directory = path.join(temporary(t), 'store');
  const options = { directory, host: '127.0.0.1', port: 0, clock, random, log: silentLog };
  const files = ['data.mdb', 'data.mdb-lock', 'format', 'lock'].map((name) => path.join(directory, name));
  for (let start = 0; start < 2; start++) {
    const store = await startEmbeddedStore(options);
    const modes = [directory, ...files.slice(0, 2)].map(modeOf);
    await store.close();
    assert.deepEqual(modes, [0o700, 0o600, 0o600]);
    chmodSync(directory, 0o755);
    chmodSync(files[0]!, 0o644);
  }
});

/** Binds a name in the kernel's table of sockets as another user. */
async function bindAs(uid: number, name: string): Promise<ChildProcess> {
  const code = `require('net').createServer().listen('\\0${name}', () => console.log('bound'))`;
  const child = spawn(process.execPath, ['-e', code], { uid, gid: uid, stdio: ['ignore', 'pipe', 'inherit'] });
  await once(child.stdout!, 'data');
  return child;
}

/** Takes the lock, and gives it back at the test's end: an open one would keep the process from ending. */
async function take(t: TestContext, directory: SupervisorDirectory): Promise<Server | undefined> {
  const lock = await takeLock(directory, random);
  t.after(() => lock?.close());
  return lock;
}

test("a stranger who binds the lock's name keeps nobody out; one process of ours does", { skip }, async (t) => {
  const directory = new SupervisorDirectory(temporary(t));
  const [name, second] = directory.lockNames(random) as [string, string];
  const stranger = await bindAs(NOBODY, name);
  t.after(() => stranger.kill('SIGKILL'));
  const lock = await take(t, directory);
  assert.ok(lock);
  assert.match(readFileSync('/proc/net/unix', 'utf8'), new RegExp(`@${second}\n`));
  assert.equal(await take(t, directory), undefined);
  const gone = once(stranger, 'exit');
  stranger.kill('SIGKILL');
  await gone;
  assert.equal(await take(t, directory), undefined, 'the first name is free, the second ours');
  lock.close();
  await until('the lock is free', async () => {
    const again = await takeLock(directory, random);
    again?.close();
    return again !== undefined;
  });
});

test('a supervisor that does not respond is told of within a moment, with what to do', async (t) => {
  const directory = path.join(temporary(t), 'supervisor');
  const role = ['supervisor', '--dir', directory, '--machine-id', '0'.repeat(32), '--promise', `${directory}.promise`];
  const args = [FLEETD, ...role];
  const lines: string[] = [];
  const log = createLog((line) => lines.push(line));
  const spawnable = { command: process.execPath, args };
  const options = { directory, spawn: spawnable, clock, random, log, machineId: '0'.repeat(32) };
  const first = await openSupervisor(options);
  const { pid } = new SupervisorDirectory(directory).readHolder()!;
  t.after(() => process.kill(pid, 'SIGKILL'));
  await first.close();
  process.kill(pid, 'SIGSTOP');
  await until('it has stopped', () => readStat(pid)?.state === 'T');
  const second = openSupervisor(options);
  const said = new RegExp(
    `Waiting for the supervisor process error=.*process ${pid} .*kill -CONT ${pid} lets it go on`,
  );
  await until('it is said', () => lines.some((line) => said.test(line)));
  process.kill(pid, 'SIGCONT');
  await (await second).close();
});

test('names of the lock are ours alone: a server of the test does not shadow them', async (t) => {
  const directory = new SupervisorDirectory(temporary(t));
  const names = directory.lockNames(random);
  assert.equal(new Set(names).size, names.length);
  const own = createServer().listen(`\0${names[3]}`);
  t.after(() => own.close());
  await once(own, 'listening');
  assert.equal(await take(t, directory), undefined, 'whichever of the names this user has');
});
