import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { type CommandResult, isAlive, LabFixture } from './lab-fixture.ts';

/** A lab for bad input, none of whose processes may end by it. */
export class SteadyLab extends LabFixture {
  #pids: readonly number[] = [];

  override async up(...args: string[]): Promise<string> {
    const out = await super.up(...args);
    this.#pids = await this.pids();
    return out;
  }

  /** Of the store, and of each machine's fleetd and supervisor. */
  async pids(): Promise<readonly number[]> {
    const { store, machines } = JSON.parse(await this.ok('lab', 'status', '-o', 'json')) as {
      store: { pid?: number };
      machines: { pid?: number; directory: string }[];
    };
    const supervisors = machines.map(({ directory }) => {
      const file = path.join(directory, 'state/supervisor/supervisor.pid');
      return (JSON.parse(readFileSync(file, 'utf8')) as { pid: number }).pid;
    });
    return [store.pid ?? 0, ...machines.map(({ pid }) => pid ?? 0), ...supervisors];
  }

  /** Fails unless every process that was there after `up` still is. */
  async assertUnharmed(): Promise<void> {
    assert.deepEqual(await this.pids(), this.#pids);
    assert.deepEqual(
      this.#pids.filter((pid) => !isAlive(pid)),
      [],
    );
  }

  /** Writes a file beside the lab and answers its path. */
  write(name: string, text: string | Uint8Array): string {
    const file = path.join(this.folder, name);
    writeFileSync(file, text);
    return file;
  }

  /** Runs fleetctl, which must end with this status and these words on stderr, and without a stack. */
  async refused(args: readonly string[], status: number, words: RegExp): Promise<CommandResult> {
    const result = await this.run(...args);
    const line = `fleetctl ${args.join(' ').slice(0, 200)}`;
    assert.match(result.err, words, line);
    assert.equal(result.status, status, `${line}:\n${result.out}${result.err}`);
    assert.doesNotMatch(result.err, /^\s+at .*[:(]/m, line);
    return result;
  }

  /** What the machines' fleetds logged, all together. */
  machineLogs(): string {
    return ['m1', 'm2', 'm3'].map((name) => readOr(path.join(this.directory, name, 'fleetd.log'))).join('');
  }
}

function readOr(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
