import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { systemClock as clock, createLog, systemRandom as random } from '../../src/lib/index.ts';
import { until } from '../../src/lib/test-until.ts';
import type { LoadedUnit, RuntimeState, UnitRuntime } from '../../src/runtime/index.ts';
import { openSupervisor, powerOff } from '../../src/runtime/supervisor/index.ts';

export const MACHINE_ID = '85c0c595e1f64d1d9a1b2c3d4e5f6071';
export const HOSTNAME = 'core-01';

export interface SupervisorHarnessOptions {
  readonly groups?: 'auto' | 'tracking';
  readonly maxLogFileBytes?: number;
  /** Kept and used again rather than a fresh one. */
  readonly directory?: string;
}

/** A supervisor of its own for one test, and what tests ask of a runtime again and again. */
export interface Harness extends AsyncDisposable {
  readonly runtime: UnitRuntime;
  readonly directory: string;
  /** What the client logged. */
  readonly logged: readonly string[];
  /** Closes the client and opens another one on the same state. */
  reopen(): Promise<Harness>;
}

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');

/** The program of a supervisor process, for `spawn`. */
export function supervisorProgram(directory: string, options: SupervisorHarnessOptions = {}) {
  const { groups = 'auto', maxLogFileBytes = 8 << 20 } = options;
  const given = JSON.stringify({ directory, machineId: MACHINE_ID, hostname: HOSTNAME, groups, maxLogFileBytes });
  const code = `
    import { runSupervisor } from ${JSON.stringify(`${root}/src/runtime/supervisor/index.ts`)};
    import { createLog } from ${JSON.stringify(`${root}/src/lib/index.ts`)};
    const log = createLog((line) => console.error(line));
    console.error('ended', await runSupervisor({ ...${given}, log }));
    process.exit(0);`;
  return { command: process.execPath, args: ['--input-type=module', '-e', code] };
}

export async function openHarness(options: SupervisorHarnessOptions = {}): Promise<Harness> {
  const directory = options.directory ?? realpathSync(mkdtempSync(path.join(tmpdir(), 'supervisor-')));
  const logged: string[] = [];
  const runtime = await openSupervisor({
    directory,
    spawn: supervisorProgram(directory, options),
    clock,
    random,
    log: createLog((line) => logged.push(line)),
    machineId: MACHINE_ID,
    hostname: HOSTNAME,
  });
  return {
    runtime,
    directory,
    logged,
    async reopen() {
      await runtime.close();
      return openHarness({ ...options, directory });
    },
    async [Symbol.asyncDispose]() {
      await runtime.close();
      await powerOff({ directory });
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** A unit file's [Service] (and more, when `rest` has sections of its own). */
export function service(lines: string, unit = ''): string {
  return `[Unit]\nDescription=Test\n${unit}\n[Service]\n${lines}\n`;
}

/** Loads units; every one of them must be accepted. Each hash comes from its text. */
export async function load(runtime: UnitRuntime, texts: Readonly<Record<string, string>>): Promise<void> {
  const units = Object.entries(texts).map(([name, text]) => ({ name, hash: hashOf(text), text }));
  assert.deepEqual([...(await runtime.apply({ unload: [], load: units }))], []);
}

export function hashOf(text: string): string {
  return Buffer.from(text).toString('hex');
}

/** Waits until the states satisfy `accept`, and answers them. */
export async function waitForStates(
  runtime: UnitRuntime,
  accept: (states: ReadonlyMap<string, RuntimeState>) => boolean,
  timeoutMs = 10_000,
): Promise<ReadonlyMap<string, RuntimeState>> {
  const signal = AbortSignal.timeout(timeoutMs);
  let last: ReadonlyMap<string, RuntimeState> = new Map();
  for await (const states of runtime.states(signal)) {
    last = states;
    if (accept(states)) return states;
  }
  assert.fail(`not within ${timeoutMs} ms: ${JSON.stringify([...last])}`);
}

/** Waits for `active/sub` of a unit, e.g. `active/running`. */
export async function waitFor(runtime: UnitRuntime, name: string, wanted: string, timeoutMs?: number): Promise<void> {
  await waitForStates(runtime, (states) => stateText(states.get(name)) === wanted, timeoutMs);
}

export function stateText(state: RuntimeState | undefined): string {
  return state === undefined ? 'absent' : `${state.active}/${state.sub}`;
}

export async function unitOf(runtime: UnitRuntime, name: string): Promise<LoadedUnit | undefined> {
  return (await runtime.units()).find((unit) => unit.name === name);
}

/** Starts a unit and waits for a state. */
export async function startAndWait(runtime: UnitRuntime, name: string, wanted = 'active/running'): Promise<void> {
  assert.deepEqual([...(await runtime.start([name]))], []);
  await waitFor(runtime, name, wanted);
}

export async function mainPid(runtime: UnitRuntime, name: string): Promise<number> {
  const { text } = await runtime.status(name);
  return Number(/Main PID: (\d+)/.exec(text)?.[1]);
}

/** The last lines of a unit's log, messages only unless another output is asked for. */
export async function logOf(runtime: UnitRuntime, name: string, output = 'cat', lines = 1000): Promise<string[]> {
  const found: string[] = [];
  const signal = AbortSignal.timeout(10_000);
  for await (const line of runtime.logs(name, { lines, follow: false, output, signal })) found.push(line);
  return found;
}

/** Waits for a line in a unit's log. */
export async function waitForLog(runtime: UnitRuntime, name: string, wanted: string | RegExp): Promise<void> {
  const matches = (line: string) => (typeof wanted === 'string' ? line === wanted : wanted.test(line));
  await until(`${name} says ${wanted}`, async () => (await logOf(runtime, name)).some(matches));
}

/** True while a process lives; a zombie does not. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch {
    return false;
  }
  return !/^State:\s+Z/m.test(readProc(pid, 'status'));
}

export function readProc(pid: number, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8');
  } catch {
    return '';
  }
}
