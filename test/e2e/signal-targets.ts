/** The processes of a lab, each found by the name by which docs/reference/signals.md calls it. */

import { spawn } from 'node:child_process';
import { readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import path from 'node:path';
import { isZombie, readStat } from '../../src/lib/index.ts';
import { until } from '../../src/lib/test-until.ts';
import { findProcess, findRouter } from '../../src/router/predecessor.ts';
import { LabFixture } from './lab-fixture.ts';

const root = path.resolve(import.meta.dirname, '../..');
const SIGQUIT = constants.signals.SIGQUIT;

/** Finds each process by its name, and starts it where it does not run. */
export class SignalTargets extends LabFixture {
  readonly #ends: (() => void)[] = [];

  /** A process of that name, started when there is none. */
  async find(name: string): Promise<number> {
    if (name === 'fleetctl') return await this.#startFleetctl('tick', 'journal', '-f', 'tick');
    if (name === 'fleetctl lab up') return await this.#startFleetctl('Ctrl-C', 'lab', 'up');
    if (name === 'fleetd-guard') return await this.#startGuard();
    return await until(
      `${name} runs`,
      async () => {
        const [machine] = await this.machines();
        const pid = await this.#pidOf(name, machine!.directory);
        if (machine!.state !== 'up' || pid === undefined) {
          await this.run('lab', 'restore');
          return undefined;
        }
        // The router of the fleetd before this one is about to make way.
        if (name === 'fleetd-router' && readStat(pid)?.ppid !== machine!.pid) return undefined;
        // HAProxy dies at signals until it has begun to catch them.
        if (name === 'haproxy' && !(isRunning(pid) && caught(pid, 'SigCgt').has(SIGQUIT))) return undefined;
        return isRunning(pid) ? pid : undefined;
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
    if (name === 'fleetd-keeper') return this.#keeper();
    if (name === 'fleetd') return status.machines[0]!.pid;
    const state = path.join(directory, 'state');
    if (name === 'fleetd-router') return findRouter(path.join(state, 'router'))?.pid;
    if (name === 'haproxy') return findProcess(path.join(state, 'router'), 'haproxy.pid')?.pid;
    const supervisor = JSON.parse(readFileSync(path.join(state, 'supervisor/supervisor.pid'), 'utf8')).pid as number;
    return name === 'fleetd-units' ? supervisor : childOf(supervisor, name);
  }

  #keeper(): number | undefined {
    const { store } = JSON.parse(readFileSync(path.join(this.directory, 'lab.json'), 'utf8')) as {
      store: { keeper?: { pid: number } };
    };
    return store.keeper !== undefined && isRunning(store.keeper.pid) ? store.keeper.pid : undefined;
  }

  /**
   * As a shell's job, which is what a terminal stops: the kernel passes over SIGTSTP for a process group without a parent in
   * its session. Debian's sh has jobs only where there is a terminal.
   */
  async #startFleetctl(printed: string, ...args: readonly string[]): Promise<number> {
    // Nothing stays in front of a lab that runs already.
    if (args[0] === 'lab') await this.ok('lab', 'down');
    else await this.find('fleetd-store');
    const line = [path.join(root, 'bin/fleetctl'), ...args];
    const shell = spawn('bash', ['-c', 'set -m; "$@" </dev/null & echo "pid $!"; read -r', 'bash', ...line], {
      env: this.env,
      stdio: ['pipe', 'pipe', 'ignore'],
    });
    // Not `wait`, which returns when the job stops; and where the shell ends, the kernel hangs up on stopped jobs.
    this.#ends.push(() => shell.stdin.end());
    let output = '';
    shell.stdout.on('data', (data: Buffer) => (output += data));
    await until('fleetctl prints', () => output.includes(printed), 120_000);
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
    const endGroup = () => {
      try {
        process.kill(-child.pid!, 'SIGKILL');
      } catch {
        // Nothing of it is left.
      }
    };
    // A guard that a signal kills leaves the `sleep` in which it waits.
    child.once('exit', endGroup);
    this.#ends.push(() => isRunning(child.pid!) && endGroup());
    await until('the guard waits', () => caught(child.pid!, 'SigIgn').has(1));
    return child.pid!;
  }

  override async dispose(): Promise<void> {
    for (const end of this.#ends) end();
    await super.dispose();
  }
}

function childOf(parent: number, comm: string): number | undefined {
  const children = readFileSync(`/proc/${parent}/task/${parent}/children`, 'utf8').match(/\d+/g) ?? [];
  return children.map(Number).find((pid) => readStat(pid)?.comm === comm);
}

export function isRunning(pid: number): boolean {
  const stat = readStat(pid);
  return stat !== undefined && !isZombie(stat);
}

/** The numbers of the signals in a mask of /proc/PID/status. */
export function caught(pid: number, mask: 'SigIgn' | 'SigBlk' | 'SigCgt' | 'SigPnd' | 'ShdPnd'): Set<number> {
  const line = new RegExp(`^${mask}:\\s+(\\w+)$`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
  const bits = BigInt(`0x${line?.[1] ?? 0}`);
  return new Set(Array.from({ length: 64 }, (_, at) => at + 1).filter((signal) => (bits >> BigInt(signal - 1)) & 1n));
}

/** Inodes of the TCP sockets at which a process listens. */
export function listening(pid: number): string[] {
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
