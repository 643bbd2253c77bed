import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { HUB, type Network } from './network.ts';
import { ok, run } from './run.ts';

const START_LIMIT_MS = 20_000;

/** A real etcd at the hub of the machines' network. */
export class Etcd implements AsyncDisposable {
  readonly endpoint: string = `http://${HUB}:2379`;
  readonly #network: Network;
  readonly #directory: string;
  #process: ChildProcess | undefined;

  /** `directory` takes its data and its log. */
  constructor(network: Network, directory: string) {
    this.#network = network;
    this.#directory = directory;
  }

  /** Starts it with the data it had, and waits until it answers. */
  async start(): Promise<void> {
    const log = openSync(this.#log, 'a');
    const peer = `http://${HUB}:2380`;
    const [command, args] = this.#network.inside('etcd', [
      ...['--name', 'hub', '--data-dir', path.join(this.#directory, 'etcd'), '--log-level', 'warn'],
      ...['--listen-client-urls', this.endpoint, '--advertise-client-urls', this.endpoint],
      ...['--listen-peer-urls', peer, '--initial-advertise-peer-urls', peer, '--initial-cluster', `hub=${peer}`],
    ]);
    const child = spawn(command, args, { stdio: ['ignore', log, log], env: { ...process.env, ETCDCTL_API: '3' } });
    closeSync(log);
    this.#process = child;
    const deadline = performance.now() + START_LIMIT_MS;
    while (!(await this.#answers())) {
      if (child.exitCode !== null || performance.now() > deadline)
        throw new Error(`etcd does not start\n${readFileSync(this.#log, 'utf8')}`);
      await sleep(20);
    }
  }

  /** Ends it at once, as a crash would. */
  async kill(): Promise<void> {
    const child = this.#process;
    this.#process = undefined;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    child.kill('SIGCONT');
    await ended;
  }

  /** It neither answers nor ends, until `resume`. */
  pause(): void {
    this.#process!.kill('SIGSTOP');
  }

  resume(): void {
    this.#process!.kill('SIGCONT');
  }

  /** Every flush to its disk takes that much longer, until this is disposed of. */
  async slowDisk(delayMs: number): Promise<AsyncDisposable> {
    const calls = 'fdatasync,fsync';
    const inject = `--inject=${calls}:delay_exit=${delayMs * 1000}`;
    const args = [
      '--follow-forks',
      `--trace=${calls}`,
      inject,
      '--output=/dev/null',
      '--attach',
      String(this.#process!.pid),
    ];
    const strace = spawn('strace', args, { stdio: ['ignore', 'ignore', 'pipe'] });
    const ended = once(strace, 'exit');
    await Promise.race([
      once(strace.stderr, 'data'),
      ended.then(() => Promise.reject(new Error('strace cannot attach to etcd'))),
    ]);
    return {
      async [Symbol.asyncDispose]() {
        strace.kill('SIGINT');
        await ended;
      },
    };
  }

  /** How many keys it has been told to write or delete so far. */
  async writes(): Promise<number> {
    const [command, args] = this.#network.inside(process.execPath, [
      ...['-e', 'fetch(process.argv[1]).then((answer) => answer.text()).then((text) => console.log(text))'],
      `${this.endpoint}/metrics`,
    ]);
    const metrics = await ok(command, args);
    // Its versions name them differently, and some have both.
    const totals = (prefix: string) => [
      ...metrics.matchAll(new RegExp(`^${prefix}_(?:put|delete)_total (\\S+)$`, 'gm')),
    ];
    const counts = [totals('etcd_mvcc'), totals('etcd_debugging_mvcc')].find((found) => found.length > 0);
    if (counts === undefined) throw new Error(`etcd does not count its writes\n${metrics}`);
    return counts.reduce((sum, [, count]) => sum + Number(count), 0);
  }

  /** What etcdctl prints. */
  async ctl(...args: readonly string[]): Promise<string> {
    const [command, rest] = this.#network.inside('etcdctl', ['--endpoints', this.endpoint, ...args]);
    return ok(command, rest);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    rmSync(path.join(this.#directory, 'etcd'), { recursive: true, force: true });
  }

  get #log(): string {
    return path.join(this.#directory, 'etcd.log');
  }

  async #answers(): Promise<boolean> {
    const [command, args] = this.#network.inside('etcdctl', ['--endpoints', this.endpoint, 'endpoint', 'health']);
    return (await run(command, args)).status === 0;
  }
}
