import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync, renameSync } from 'node:fs';
import path from 'node:path';
import { systemClock as clock, FlotillaError, readStat } from '../lib/index.ts';
import { identify, isAlive, type ProcessIdentity, signalProcess } from './process-identity.ts';

/** fleetd beside this program: the bundle when this is the bundle, the source when this is the source. */
const FLEETD: string = import.meta.filename.endsWith('.cjs')
  ? path.join(import.meta.dirname, 'fleetd.cjs')
  : path.join(import.meta.dirname, '../daemon/main.ts');

/** The flags of Node that bin/fleetd gives, where the reason for each stands. */
const nodeFlags = (args: readonly string[]): readonly string[] =>
  args[0] === 'store' ? ['--disable-sigusr1'] : ['--inspect-port=192.0.2.1:9229', '--max-semi-space-size=2'];

/** What daemons inherit: settings of the person's shell for fleet or npm must not leak into a machine. */
const INHERITED: readonly string[] = ['PATH', 'HOME', 'USER', 'LOGNAME', 'SHELL', 'LANG', 'LC_ALL', 'TZ', 'TMPDIR'];

export interface Daemon extends ProcessIdentity {
  /** Aborts when the process ends. */
  readonly ended: AbortSignal;
}

/**
 * Starts fleetd with these arguments as a process of its own that outlives this one. Its output goes to `log`; the log
 * of the run before stands beside it as `log`.1.
 */
export async function spawnDaemon(
  args: readonly string[],
  log: string,
  env: NodeJS.ProcessEnv,
  /** A command that runs another one, which is added to it. */
  keeper: readonly string[] = [],
): Promise<Daemon> {
  keepPrevious(log);
  const output = openSync(log, 'a');
  let child: ChildProcess;
  try {
    const [command, ...rest] = [...keeper, process.execPath, ...nodeFlags(args), FLEETD, ...args];
    child = spawn(command!, rest, {
      // For `pidof fleetd`.
      ...(args[0] === 'store' ? {} : { argv0: 'fleetd' }),
      detached: true,
      stdio: ['ignore', output, output],
      cwd: path.dirname(log),
      env: Object.fromEntries(INHERITED.flatMap((name) => (env[name] === undefined ? [] : [[name, env[name]]]))),
    });
  } finally {
    closeSync(output);
  }
  const ended = new AbortController();
  child.once('exit', () => ended.abort());
  await once(child, 'spawn');
  child.unref();
  const identity = identify(child.pid!) ?? { pid: child.pid!, startTime: 0 };
  return { ...identity, ended: ended.signal };
}

/** What was wrong, in words that follow the daemon's name; undefined once it, or what it keeps, has written its process id to the file. */
export async function waitUntilReady(file: string, daemon: Daemon, withinMs: number): Promise<string | undefined> {
  const deadline = clock.monotonic() + withinMs;
  while (!isReady(file, daemon)) {
    if (daemon.ended.aborted) return 'did not start';
    if (clock.monotonic() > deadline) return `was not ready within ${withinMs / 1000} s`;
    await clock.sleep(10);
  }
  return undefined;
}

function isReady(file: string, daemon: Daemon): boolean {
  try {
    const { pid = 0 } = JSON.parse(readFileSync(file, 'utf8')) as { pid?: number };
    return pid === daemon.pid || readStat(pid)?.ppid === daemon.pid;
  } catch {
    return false;
  }
}

/** Waits until the process has ended; false when `withinMs` were not enough. */
export async function hasEnded(target: ProcessIdentity | undefined, withinMs: number): Promise<boolean> {
  const deadline = clock.monotonic() + withinMs;
  while (isAlive(target)) {
    if (clock.monotonic() > deadline) return false;
    await clock.sleep(10);
  }
  return true;
}

/** Ends a process at once. */
export async function killProcess(target: ProcessIdentity | undefined): Promise<void> {
  signalProcess(target, 'SIGKILL');
  if (!(await hasEnded(target, 10_000)))
    throw new FlotillaError(
      'timeout',
      `process ${target?.pid} does not end, not even by SIGKILL: see what holds it up`,
    );
}

/** The last lines of a log file, for a person to see why something did not start. */
export function lastLines(log: string, count = 10): string {
  try {
    const lines = readFileSync(log, 'utf8').trimEnd().split('\n');
    return lines.slice(-count).join('\n');
  } catch {
    return '';
  }
}

function keepPrevious(log: string): void {
  try {
    renameSync(log, `${log}.1`);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}
