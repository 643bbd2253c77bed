import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, openSync, readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { cgroupsOf, makeCgroups, removeCgroups } from './cgroups.ts';
import type { Network } from './network.ts';
import { type Ran, run } from './run.ts';

export interface MachineOptions {
  /** At most 12 characters, no other machine of this host has it. */
  readonly name: string;
  readonly machineId: string;
  readonly address: string;
  readonly network: Network;
  /** Holds the machine's root as `fs`, and its console's output. */
  readonly directory: string;
  /** Read-only binds, as `host:machine`. */
  readonly binds: readonly string[];
}

const BOOT_LIMIT_MS = 30_000;
const END_LIMIT_MS = 60_000;
/** systemd's signal for an orderly power-off. */
const POWER_OFF = 38;

/** One machine: a systemd of its own in a container, on the network of the others. */
export class Machine implements AsyncDisposable {
  readonly name: string;
  readonly machineId: string;
  readonly address: string;
  readonly #options: MachineOptions;
  #nspawn: ChildProcess | undefined;
  #init = 0;

  constructor(options: MachineOptions) {
    this.#options = options;
    this.name = options.name;
    this.machineId = options.machineId;
    this.address = options.address;
  }

  get running(): boolean {
    return this.#nspawn !== undefined;
  }

  /** The machine's root as seen from outside, with what is mounted in it. */
  get root(): string {
    return `/proc/${this.#init}/root`;
  }

  /** What the machine keeps while it is off, as seen from outside. */
  get disk(): string {
    return path.join(this.#options.directory, 'fs');
  }

  /** Switches the machine on and waits until it is up; answers how long that took in milliseconds. */
  async boot(): Promise<number> {
    const startedAt = performance.now();
    makeCgroups(this.name);
    const console = openSync(this.#console, 'w');
    const joins = cgroupsOf(this.name).map((group) => `echo $$ >${group}/cgroup.procs`);
    const script = [...joins, 'exec "$@"'].join(' && ');
    const [command, args] = this.#options.network.inside('systemd-nspawn', this.#nspawnArgs());
    const child = spawn('sh', ['-c', script, 'sh', command, ...args], {
      stdio: ['ignore', console, console],
      detached: true,
    });
    closeSync(console);
    this.#nspawn = child;
    child.once('exit', () => {
      if (this.#nspawn === child) this.#nspawn = undefined;
    });
    await this.#until('boots', BOOT_LIMIT_MS, () => {
      this.#init = initOf(child.pid!);
      return this.#init > 0 && existsSync(`${this.root}/run/machine-up`);
    });
    return performance.now() - startedAt;
  }

  /** The power fails: every process of the machine ends at once. */
  async kill(): Promise<void> {
    const child = this.#nspawn;
    if (child === undefined) return;
    const ended = once(child, 'exit');
    // The machine's first process takes all others with it.
    const init = initOf(child.pid!);
    child.kill('SIGKILL');
    if (init > 0) process.kill(init, 'SIGKILL');
    await ended;
    await this.#groupsGone();
  }

  /** An orderly shutdown: at once by a signal to systemd, or as by whoever types `systemctl poweroff`. */
  async powerOff(by: 'signal' | 'systemctl' = 'signal'): Promise<void> {
    const child = this.#nspawn;
    if (child === undefined) return;
    if (by === 'signal') process.kill(this.#init, POWER_OFF);
    else await this.ok('systemctl', 'poweroff');
    const deadline = performance.now() + END_LIMIT_MS;
    while (this.running && performance.now() < deadline) await sleep(10);
    if (this.running) throw new Error(`${this.name} does not power off\n${this.consoleText()}`);
    await this.#groupsGone();
  }

  cut(): Promise<void> {
    return this.#options.network.cut(this.name);
  }

  heal(): Promise<void> {
    return this.#options.network.heal(this.name);
  }

  /** Runs a command as root of the machine. */
  exec(command: readonly string[], timeoutMs?: number): Promise<Ran> {
    const namespaces = ['-t', String(this.#init), '-m', '-u', '-i', '-n', '-p', '-C'];
    const env = [
      'env',
      '-i',
      'PATH=/opt/bin:/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/bin',
      'HOME=/root',
      'TERM=dumb',
      'LANG=C.UTF-8',
    ];
    return run('nsenter', [...namespaces, '--', ...env, ...command], timeoutMs);
  }

  /** Runs a command that must succeed, and answers its output. */
  async ok(...command: readonly string[]): Promise<string> {
    const { stdout, stderr, status } = await this.exec(command);
    if (status !== 0) throw new Error(`${this.name}: ${command.join(' ')}: status ${status}\n${stdout}${stderr}`);
    return stdout;
  }

  /** What the machine wrote on its console. */
  consoleText(): string {
    return existsSync(this.#console) ? readFileSync(this.#console, 'utf8') : '';
  }

  /** Switches it off and removes all that was made for it. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    rmSync(this.#options.directory, { recursive: true, force: true });
  }

  get #console(): string {
    return path.join(this.#options.directory, 'console.log');
  }

  #nspawnArgs(): string[] {
    const { network, machineId, binds } = this.#options;
    return [
      ...['--quiet', '--keep-unit', '--register=no', '--settings=no', '--link-journal=no', '--boot'],
      ...['--directory', this.disk, '--bind-ro=/usr', ...binds.map((bind) => `--bind-ro=${bind}`)],
      ...[`--machine=${this.name}`, `--uuid=${machineId}`, `--network-bridge=${network.bridge}`],
      // Containers within need more of the kernel than nspawn allows by itself.
      ...['--capability=all', '--system-call-filter=@keyring bpf', '--console=pipe'],
    ];
  }

  async #groupsGone(): Promise<void> {
    const deadline = performance.now() + END_LIMIT_MS;
    while (!removeCgroups(this.name)) {
      if (performance.now() > deadline) throw new Error(`processes of ${this.name} do not end`);
      await sleep(5);
    }
  }

  async #until(what: string, limitMs: number, holds: () => boolean): Promise<void> {
    const deadline = performance.now() + limitMs;
    while (!holds()) {
      if (!this.running || performance.now() > deadline)
        throw new Error(`${this.name} ${what} not\n${this.consoleText()}`);
      await sleep(5);
    }
  }
}

/** The first process of the container that this nspawn runs, 0 while there is none. */
function initOf(nspawn: number): number {
  const children = readIfThere(`/proc/${nspawn}/task/${nspawn}/children`).trim().split(' ');
  return Number(children.find((pid) => readIfThere(`/proc/${pid}/comm`).trim() === 'systemd') ?? 0);
}

function readIfThere(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
