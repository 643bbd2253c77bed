import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type MachineSet, root } from './machine-set.ts';
import { type Ran, run } from './run.ts';

/** Somebody on the machines' network with fleetctl, and an ssh agent that opens the machines, but without a fleetd. */
export class Visitor implements AsyncDisposable {
  readonly #set: MachineSet;
  readonly #home: string;
  readonly #agent: ChildProcess;

  private constructor(set: MachineSet, home: string, agent: ChildProcess) {
    this.#set = set;
    this.#home = home;
    this.#agent = agent;
  }

  static async open(set: MachineSet): Promise<Visitor> {
    const home = path.join(set.directory, 'visitor');
    mkdirSync(home);
    const agent = spawn('ssh-agent', ['-D', '-a', path.join(home, 'agent')], { stdio: 'ignore' });
    const visitor = new Visitor(set, home, agent);
    const deadline = performance.now() + 10_000;
    while ((await visitor.#run('ssh-add', ['-q', set.sshKey])).status !== 0) {
      if (performance.now() > deadline) throw new Error('the ssh agent does not answer');
      await sleep(20);
    }
    return visitor;
  }

  get knownHosts(): string {
    return path.join(this.#home, '.fleetctl', 'known_hosts');
  }

  /** Runs fleetctl without a terminal. */
  fleetctl(...args: readonly string[]): Promise<Ran> {
    return this.#run(process.execPath, [`${root}/dist/fleetctl.cjs`, ...args]);
  }

  /** Runs fleetctl at a terminal, and types a line at the first question; answers all that was on the screen. */
  async atTerminal(answer: string, ...args: readonly string[]): Promise<Ran> {
    const line = [process.execPath, `${root}/dist/fleetctl.cjs`, ...args].map((word) => `'${word}'`).join(' ');
    const [command, all] = this.#inside('script', ['-qec', line, '/dev/null']);
    const child = spawn(command, all, { stdio: ['pipe', 'pipe', 'inherit'], timeout: 60_000 });
    let stdout = '';
    child.stdout.on('data', (chunk) => {
      const asked = stdout.includes('?');
      stdout += chunk;
      if (!asked && stdout.includes('?')) child.stdin.write(`${answer}\n`);
    });
    const status = await new Promise<number>((resolve) => child.once('close', (code) => resolve(code ?? -1)));
    return { stdout, stderr: '', status };
  }

  /** Ends the connections that are kept for later. */
  async disconnect(): Promise<void> {
    const sockets = path.join(this.#home, '.fleetctl', 'ssh');
    for (const name of readdirSync(sockets)) await run('ssh', ['-S', path.join(sockets, name), '-O', 'exit', 'x']);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.disconnect();
    this.#agent.kill();
  }

  #run(command: string, args: readonly string[]): Promise<Ran> {
    return run(...this.#inside(command, args));
  }

  #inside(command: string, args: readonly string[]): readonly [string, readonly string[]] {
    const env = { PATH: process.env['PATH'], HOME: this.#home, SSH_AUTH_SOCK: path.join(this.#home, 'agent') };
    const settings = Object.entries({ ...env, FLEETCTL_SSH_USERNAME: 'root' }).map(([name, text]) => `${name}=${text}`);
    return this.#set.network.inside('env', ['-i', ...settings, command, ...args]);
  }
}
