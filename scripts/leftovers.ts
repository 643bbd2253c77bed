/** Finds and ends the processes that a test file started and left running. */
import { randomUUID } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { isZombie, type ProcessId, type ProcessStat, readStat } from '../src/lib/index.ts';

/** A variable which every process that a test file starts inherits, unless it gets an environment of its own. */
const MARK = 'NPM_TEST_FILE';
/** How long processes may go on ending after their test file: on a busy computer a killed process lives on for a moment. */
const ENDING_MS = 5000;
/** How long to go on killing: a guard starts again what was killed, until it is killed itself. */
const KILLING_MS = 10_000;
const ASK_EVERY_MS = 50;
/** The parent of all threads of the kernel. */
const KERNEL = 2;

/** A process of a test file. */
interface TestProcess extends ProcessStat {
  readonly file: string;
}

/**
 * Knows which of the running processes belong to which test file. A process belongs to a file when it carries the file's mark
 * or when its parent belonged to the file: units get an environment of their own, and outlive their supervisor. So `look`
 * has to be called now and then while the file runs.
 */
export class TestProcesses {
  readonly #id = randomUUID();
  #running: readonly TestProcess[] = [];
  /** Pids of processes that belong to no test file: nearly all of a computer's, which are not worth a second look. */
  #foreign = new Set<number>();

  /** The environment in which to run the file. */
  environmentFor(file: string): NodeJS.ProcessEnv {
    return { ...process.env, [MARK]: `${this.#id}:${file}` };
  }

  look(): void {
    const pids = processIds();
    this.#foreign = this.#foreign.intersection(new Set(pids));
    const stats = new Map(pids.filter((pid) => !this.#foreign.has(pid)).map((pid) => [pid, readStat(pid)]));
    const files = new Map(this.#running.map((stat) => [keyOf(stat), stat.file]));
    const fileOf = (stat: ProcessStat | undefined): string | undefined => {
      if (stat === undefined || this.#foreign.has(stat.pid)) return undefined;
      const file = files.get(keyOf(stat)) ?? fileOf(stats.get(stat.ppid)) ?? this.#markOf(stat);
      if (file !== undefined) files.set(keyOf(stat), file);
      return file;
    };
    this.#running = [...stats.values()].flatMap((stat) => {
      const file = fileOf(stat);
      return file === undefined ? [] : [{ ...stat!, file }];
    });
  }

  /** The processes of the file at the last look, without those that only wait to be reaped. */
  of(file: string): readonly ProcessStat[] {
    return this.#running.filter((process) => process.file === file && !isZombie(process));
  }

  /** Waits for the end of the file's processes, kills those that stay, and returns them as lines of text. */
  async end(file: string): Promise<string[]> {
    const ask = () => {
      this.look();
      return this.of(file);
    };
    await untilNone(ENDING_MS, ask);
    const told = new Map<string, string>();
    await untilNone(KILLING_MS, () => {
      const left = ask();
      for (const stat of left)
        if (!told.has(keyOf(stat))) told.set(keyOf(stat), `process ${stat.pid}: ${commandOf(stat)}`);
      for (const { pid } of left) kill(pid);
      return left;
    });
    return [...told.values()];
  }

  /** Undefined too for the mark of another run: the runner's own test runs it within a test file. */
  #markOf({ pid, ppid }: ProcessStat): string | undefined {
    const environment = read(pid, 'environ').split('\0');
    const found = environment.find((variable) => variable.startsWith(`${MARK}=${this.#id}`));
    // A program that is just being loaded has an empty environment, as the kernel's own threads have for ever.
    if (found === undefined && (environment.length > 1 || ppid === KERNEL)) this.#foreign.add(pid);
    return found?.slice(`${MARK}=${this.#id}:`.length);
  }
}

function processIds(): number[] {
  return readdirSync('/proc').map(Number).filter(Number.isInteger);
}

export function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended by itself.
  }
}

async function untilNone(limitMs: number, ask: () => readonly unknown[]): Promise<void> {
  const deadline = performance.now() + limitMs;
  while (ask().length > 0 && performance.now() < deadline) await sleep(ASK_EVERY_MS);
}

function keyOf({ pid, startTime }: ProcessId): string {
  return `${pid}:${startTime}`;
}

function commandOf({ pid, comm }: ProcessStat): string {
  return read(pid, 'cmdline').replaceAll('\0', ' ').replace(/\s+/g, ' ').trim().slice(0, 200) || comm;
}

/** Empty for a process that has ended or belongs to somebody else. */
function read(pid: number, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'latin1');
  } catch {
    return '';
  }
}
