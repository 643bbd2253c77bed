/** Shared by the tests of commands: a real lab in a directory of its own, and fleetctl to run against it. */

import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../lib/test-free-port.ts';
import { runFleetctl } from './run.ts';

const MAIN = join(import.meta.dirname, 'main.ts');
/** Shorter than the limit of a test file, so that a test names the command that waited in vain and closes its lab. */
const LIMIT_S = 60;
const WAITING = /^(?:--endpoint \S+ )?(?:start|stop|load|unload|restart|destroy|wait) /;

export interface CommandResult {
  readonly status: number;
  readonly out: string;
  readonly err: string;
}

export interface TestMachine {
  readonly number: number;
  readonly id: string;
  readonly address: string;
  readonly endpoint: string;
  readonly socket: string;
}

export class TestLab {
  readonly #folder = mkdtempSync(join(tmpdir(), 'fl-cli-'));
  readonly env: Record<string, string> = { FLOTILLA_LAB: join(this.#folder, 'lab') };
  machines: readonly TestMachine[] = [];

  /** Starts a lab of so many machines; call `close` afterwards. */
  static async start(machines: number): Promise<TestLab> {
    const lab = new TestLab();
    const port = String(await freePort());
    const up = await lab.spawned('lab', 'up', '--detach', '--machines', String(machines), '--port', port);
    if (up.status !== 0) {
      await lab.close();
      throw new Error(`the lab did not start:\n${up.out}${up.err}`);
    }
    const state = JSON.parse(readFileSync(join(lab.env['FLOTILLA_LAB']!, 'lab.json'), 'utf8'));
    lab.machines = state.machines;
    // Set explicitly, so that a fleetd of this computer is not asked instead.
    lab.env['FLEETCTL_ENDPOINT'] = `unix://${lab.machines[0]!.socket}`;
    return lab;
  }

  /** Writes a unit file and returns its path. */
  write(name: string, text: string): string {
    const path = join(this.#folder, name);
    writeFileSync(path, text);
    return path;
  }

  /** Runs a command line in this process; words are split at blanks, and `~/` is the folder of `write`. */
  async run(line: string, options: { readonly terminal?: boolean } = {}): Promise<CommandResult> {
    const ran = { out: '', err: '' };
    const argv = line.split(' ').map((word) => word.replace(/^~\//, `${this.#folder}/`));
    if (WAITING.test(line) && !line.includes(' --')) argv.push(`--timeout=${LIMIT_S}s`);
    const status = await runFleetctl(argv, {
      out: (text) => {
        ran.out += text;
      },
      err: (text) => {
        ran.err += text;
      },
      env: this.env,
      inIsTerminal: () => false,
      outIsTerminal: () => options.terminal === true,
      errIsTerminal: () => options.terminal === true,
    });
    return { status, ...ran, err: ran.err.replaceAll(`${this.#folder}/`, '~/') };
  }

  /** Runs a command that must succeed with an empty stderr; returns its stdout. */
  async ok(line: string): Promise<string> {
    const { status, out, err } = await this.run(line);
    // start's notes about units that are not placed or healthy yet depend on how busy the computer is.
    const complaints = err.replace(
      /^Unit \S+ (?:runs and is waiting for its checks: |is waiting: .*; still trying).*\n/gm,
      '',
    );
    if (status === 0 && complaints === '') return out;
    throw new Error(`fleetctl ${line} ended with ${status}:\n${out}${err}${this.#logs()}`);
  }

  /** Returns the end of each machine's log, for the message of a failed test. */
  #logs(): string {
    const files = this.machines.map(({ number }) => join(this.env['FLOTILLA_LAB']!, `m${number}`, 'fleetd.log'));
    return files.map((file) => `--- ${file}\n${tail(file)}\n`).join('');
  }

  /** Starts the program itself as a process. */
  spawn(...args: string[]): ChildProcess {
    return spawn(process.execPath, [MAIN, ...args], {
      env: { ...process.env, ...this.env },
      stdio: 'pipe',
      timeout: LIMIT_S * 2000,
    });
  }

  spawned(...args: string[]): Promise<CommandResult> {
    return this.begin(...args).ended;
  }

  /** Runs the program; `ran` grows meanwhile. */
  begin(...args: string[]): { readonly ran: { out: string; err: string }; readonly ended: Promise<CommandResult> } {
    const child = this.spawn(...args);
    const ran = { out: '', err: '' };
    child.stdout!.on('data', (chunk) => {
      ran.out += chunk;
    });
    child.stderr!.on('data', (chunk) => {
      ran.err += chunk;
    });
    const ended = new Promise<CommandResult>((resolve) => {
      child.once('close', (code) => resolve({ status: code ?? -1, ...ran }));
    });
    return { ran, ended };
  }

  /** `85c0c595.../127.0.1.1` of a machine, by its number from 0. */
  legend(index: number): string {
    const { id, address } = this.machines[index]!;
    return `${id.slice(0, 8)}.../${address}`;
  }

  /** Replaces every machine's legend by MACHINE. */
  anonymous(text: string): string {
    return this.machines.reduce((rest, _, i) => rest.replaceAll(this.legend(i), 'MACHINE'), text);
  }

  async close(): Promise<void> {
    await this.spawned('lab', 'down', '--wipe');
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

function tail(file: string): string {
  return existsSync(file) ? readFileSync(file, 'utf8').trimEnd().split('\n').slice(-15).join('\n') : '(none)';
}
