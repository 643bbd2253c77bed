/** Every signal to every process of ours: docs/operations.md says what it does, and this test that it is so. */
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { isZombie, readStat } from '../../src/lib/index.ts';
import { findProcess, findRouter } from '../../src/router/predecessor.ts';
import { freeBase, LabFixture, until } from './lab-fixture.ts';

const root = path.resolve(import.meta.dirname, '../..');
const [header, , ...rows] = readFileSync(path.join(root, 'docs/operations.md'), 'utf8')
  .split('\n')
  .filter((line) => line.startsWith('|') && line.split('|').length === 15)
  .map((line) =>
    line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.replaceAll('`', '').trim()),
  );
const SIGNALS = header!.slice(1).map((name) => `SIG${name}` as NodeJS.Signals);

/** Finds each process by its name, and starts it where it does not run. */
class Targets extends LabFixture {
  readonly #ends: (() => void)[] = [];

  /** A process of that name, started when there is none. */
  async find(name: string): Promise<number> {
    if (name === 'fleetctl') return await this.#startFleetctl();
    if (name === 'fleetd-guard') return await this.#startGuard();
    return await until(
      `${name} runs`,
      async () => {
        const [machine] = await this.machines();
        const pid = await this.#pidOf(name, machine!.directory);
        if (machine!.state !== 'up' || pid === undefined) await this.run('lab', 'restore');
        return pid !== undefined && isRunning(pid) ? pid : undefined;
      },
      120_000,
    );
  }

  async #pidOf(name: string, directory: string): Promise<number | undefined> {
    const status = JSON.parse(await this.ok('lab', 'status', '-o', 'json')) as {
      store: { pid?: number };
      machines: { pid?: number }[];
    };
    if (name === 'fleetd-store') return status.store.pid;
    if (name === 'fleetd') return status.machines[0]!.pid;
    const state = path.join(directory, 'state');
    if (name === 'fleetd-router') return findRouter(path.join(state, 'router'))?.pid;
    if (name === 'haproxy') return findProcess(path.join(state, 'router'), 'haproxy.pid')?.pid;
    return JSON.parse(readFileSync(path.join(state, 'supervisor/supervisor.pid'), 'utf8')).pid;
  }

  /**
   * As a shell's job, which is what a terminal stops: the kernel passes over SIGTSTP for a process group without a parent in
   * its session. Debian's sh has jobs only where there is a terminal.
   */
  async #startFleetctl(): Promise<number> {
    await this.find('fleetd-store');
    const line = [path.join(root, 'bin/fleetctl'), 'journal', '-f', 'tick'];
    const shell = spawn('bash', ['-c', 'set -m; "$@" </dev/null & echo "pid $!"; read -r', 'bash', ...line], {
      env: this.env,
      stdio: ['pipe', 'pipe', 'ignore'],
    });
    // Not `wait`, which returns when the job stops; and where the shell ends, the kernel hangs up on stopped jobs.
    this.#ends.push(() => shell.stdin.end());
    let output = '';
    shell.stdout.on('data', (data: Buffer) => (output += data));
    await until('fleetctl prints', () => output.includes('tick\n'));
    const pid = Number(/^pid (\d+)$/m.exec(output)![1]);
    this.#ends.push(() => isRunning(pid) && process.kill(pid, 'SIGKILL'));
    return pid;
  }

  /** With a promise that stays true for as long as the test takes. */
  async #startGuard(): Promise<number> {
    const file = path.join(this.folder, 'promise');
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
    writeFileSync(file, `${boot} 9999999999 9999999999 9999999999 none.service\n`);
    const child = spawn(path.join(root, 'bin/fleetd-guard'), [file], { stdio: 'ignore', detached: true });
    this.#ends.push(() => isRunning(child.pid!) && process.kill(-child.pid!, 'SIGKILL'));
    await until('the guard waits', () => caught(child.pid!, 'SigIgn').has(1));
    return child.pid!;
  }

  override async dispose(): Promise<void> {
    for (const end of this.#ends) end();
    await super.dispose();
  }
}

const lab = new Targets();

function isRunning(pid: number): boolean {
  const stat = readStat(pid);
  return stat !== undefined && !isZombie(stat);
}

/** The numbers of the signals in a mask of /proc/PID/status. */
function caught(pid: number, mask: 'SigIgn' | 'SigBlk' | 'SigPnd' | 'ShdPnd'): Set<number> {
  const line = new RegExp(`^${mask}:\\s+(\\w+)$`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
  const bits = BigInt(`0x${line?.[1] ?? 0}`);
  return new Set(Array.from({ length: 64 }, (_, at) => at + 1).filter((signal) => (bits >> BigInt(signal - 1)) & 1n));
}

/** Inodes of the TCP sockets at which a process listens. */
function listening(pid: number): string[] {
  const own = new Set(readdirSync(`/proc/${pid}/fd`).map((fd) => linkOf(`/proc/${pid}/fd/${fd}`)));
  // The lab is in this test's network; a process that ends has no list of its own any more.
  const sockets = ['tcp', 'tcp6'].flatMap((kind) => readFileSync(`/proc/net/${kind}`, 'utf8').split('\n'));
  return sockets
    .map((line) => line.trim().split(/\s+/))
    .filter((words) => words[3] === '0A' && own.has(`socket:[${words[9]}]`))
    .map((words) => words[1]!);
}

function linkOf(file: string): string {
  try {
    return readlinkSync(file);
  } catch {
    return '';
  }
}

/** The process has taken the signal, and is still the same and awake. */
async function livesOn(pid: number, startTime: number): Promise<void> {
  await until('the signal was delivered', () => {
    const stat = readStat(pid);
    if (stat === undefined || isZombie(stat) || stat.startTime !== startTime) assert.fail('the process ended');
    const blocked = caught(pid, 'SigBlk');
    return [...caught(pid, 'SigPnd'), ...caught(pid, 'ShdPnd')].every((signal) => blocked.has(signal));
  });
}

async function ask(port: number, host: string): Promise<boolean> {
  return await new Promise((resolve) => {
    const socket = net.connect(port, host, () => socket.write('GET / HTTP/1.0\r\n\r\n'));
    socket
      .on('data', () => resolve(true))
      .on('error', () => resolve(false))
      .on('close', () => resolve(false));
  });
}

describe('signals', { skip: process.platform !== 'linux' }, () => {
  before(async () => {
    await lab.up('--machines', '1', '--port-base', String(await freeBase()));
    const tick = path.join(lab.folder, 'tick.service');
    writeFileSync(tick, '[Service]\nExecStart=/bin/sh -c "while :; do echo tick; sleep 1; done"\n');
    await lab.ok('start', tick);
  });
  after(() => lab.dispose());

  for (const [name, ...outcomes] of rows) {
    if (name === 'haproxy') continue;
    test(`${name} does at each signal what docs/operations.md says`, async () => {
      for (const [at, signal] of SIGNALS.entries()) {
        const pid = await lab.find(name!);
        const { startTime } = readStat(pid)!;
        if (name !== 'fleetctl' && name !== 'fleetd-guard') assert.equal(readStat(pid)!.comm, name);
        const ports = listening(pid);
        process.kill(pid, signal);
        const what = `${name} at ${signal}`;
        if (outcomes[at] === 'sleeps') {
          await until(`${what} sleeps`, () => readStat(pid)?.state === 'T');
          process.kill(pid, 'SIGCONT');
          await until(`${what} wakes`, () => readStat(pid)?.state !== 'T');
        } else if (outcomes[at] === 'lives') {
          await livesOn(pid, startTime);
        } else {
          await until(`${what} ends`, () => readStat(pid)?.startTime !== startTime || !isRunning(pid));
          continue;
        }
        assert.deepEqual(listening(pid), ports, `${what} opens a port`);
      }
    });
  }

  test('pidof finds the daemon alone', async () => {
    const pid = await lab.find('fleetd');
    const found = execFileSync('pidof', ['fleetd'], { encoding: 'utf8' }).trim().split(' ').map(Number);
    assert.ok(found.includes(pid));
    for (const other of ['fleetd-store', 'fleetd-router', 'fleetd-units'])
      assert.ok(!found.includes(await lab.find(other)), other);
  });

  test('the unit that ran before still runs, and the router responds', async () => {
    const [machine] = await lab.machines();
    await until('the router responds', () => ask(machine!.routerPort, machine!.address));
    await until('tick is active', async () => (await lab.whereActive('tick.service')) !== undefined);
  });
});
