import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, renameSync } from 'node:fs';
import path from 'node:path';
import { systemClock as clock, FlotillaError, readStat, readStateFile, removeUnlessFile } from '../lib/index.ts';
import { identify, isAlive, type ProcessIdentity, signalProcess } from './process-identity.ts';

/** The fleetd beside this program: the bundle for a bundle, the source for source. */
const FLEETD: string = import.meta.filename.endsWith('.cjs')
  ? path.join(import.meta.dirname, 'fleetd.cjs')
  : path.join(import.meta.dirname, '../daemon/main.ts');

/** The flags that bin/fleetd gives Node; it states the reasons. */
const nodeFlags = (args: readonly string[]): readonly string[] =>
  args[0] === 'store' ? ['--disable-sigusr1'] : ['--inspect-port=192.0.2.1:9229', '--max-semi-space-size=2'];

/** Variables that daemons inherit: the user's settings for fleet or npm must not leak into a machine. */
const INHERITED: readonly string[] = ['PATH', 'HOME', 'USER', 'LOGNAME', 'SHELL', 'LANG', 'LC_ALL', 'TZ', 'TMPDIR'];

export interface Daemon extends ProcessIdentity {
  /** Aborts when the process ends. */
  readonly ended: AbortSignal;
}

/**
 * Starts fleetd with these arguments as a process that outlives this one. Its output goes to `log`; the previous log is
 * kept as `log`.1.
 */
export async function spawnDaemon(
  args: readonly string[],
  log: string,
  env: NodeJS.ProcessEnv,
  /** A command to which the daemon's command is appended, and which runs it. */
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

/**
 * Waits until the daemon, or the program that it keeps, has written its process id to the file. Returns undefined, or
 * the failure in words that follow the daemon's name.
 */
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
    const { pid = 0 } = JSON.parse(readStateFile(file)) as { pid?: number };
    return pid === daemon.pid || readStat(pid)?.ppid === daemon.pid;
  } catch {
    return false;
  }
}

/** Waits for the end of a process; returns false when it takes longer than `withinMs`. */
export async function hasEnded(target: ProcessIdentity | undefined, withinMs: number): Promise<boolean> {
  const deadline = clock.monotonic() + withinMs;
  while (isAlive(target)) {
    if (clock.monotonic() > deadline) return false;
    await clock.sleep(10);
  }
  return true;
}

/** Kills a process. */
export async function killProcess(target: ProcessIdentity | undefined): Promise<void> {
  signalProcess(target, 'SIGKILL');
  if (!(await hasEnded(target, 10_000)))
    throw new FlotillaError(
      'timeout',
      `process ${target?.pid} does not end, not even by SIGKILL: see what holds it up`,
    );
}

/** Returns the last lines of a log file, which show why a start failed. */
export function lastLines(log: string, count = 10): string {
  try {
    const lines = readStateFile(log).trimEnd().split('\n');
    return lines.slice(-count).join('\n');
  } catch {
    return '';
  }
}

function keepPrevious(log: string): void {
  try {
    removeUnlessFile(`${log}.1`);
    renameSync(log, `${log}.1`);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}
