import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readdirSync, readlinkSync } from 'node:fs';
import { type Clock, FlotillaError, messageOf } from '../../lib/index.ts';
import { findProcess, HAPROXY_PID, recordAgain, recordProcess, reserveRecord } from '../predecessor.ts';
import { askHaproxy } from './runtime-api.ts';

export interface HaproxyOptions {
  readonly directory: string;
  readonly socket: string;
  readonly accessLog: string;
  readonly clock: Clock;
}

const START_TIMEOUT_MS = 10_000;
const LOOK_AGAIN_MS = 5;

/** Rejects with FlotillaError `invalid` and HAProxy's own complaint when it refuses the configuration. */
export async function checkConfiguration(file: string): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    // Not `-q`, which would also suppress the complaint.
    execFile('haproxy', ['-c', '-f', file], (error, _, stderr) => {
      if (error === null) return resolve();
      const missing = (error as NodeJS.ErrnoException).code === 'ENOENT';
      const sentence = missing
        ? 'router=haproxy needs the program haproxy; install it, or set router=process'
        : `HAProxy refuses its configuration: ${complaintIn(stderr) ?? messageOf(error)}`;
      reject(new FlotillaError(missing ? 'usage' : 'invalid', sentence));
    });
  });
}

/** Returns the text of the first `[ALERT]    (PID) : config : TEXT`. */
function complaintIn(stderr: string): string | undefined {
  const line = stderr.split('\n').find((text) => text.startsWith('[ALERT]'));
  return line?.replace(/^\[ALERT\] +\(\d+\) : /, '').replace(/^config : /, '');
}

/**
 * Starts HAProxy with a configuration. It takes over the sockets of the running one, if any, and tells that to finish.
 * Resolves when only the new one accepts connections.
 */
export async function startHaproxy(file: string, options: HaproxyOptions): Promise<ChildProcess> {
  const { directory, socket, accessLog, clock } = options;
  const before = findProcess(directory, HAPROXY_PID);
  reserveRecord(directory, HAPROXY_PID);
  const takeOver = before === undefined ? [] : ['-x', socket, '-sf', String(before.pid)];
  const output = accessLog === '' ? undefined : openSync(accessLog, 'a', 0o640);
  const child = spawn('haproxy', ['-db', '-f', file, ...takeOver], {
    detached: true,
    stdio: ['ignore', output ?? 'ignore', 'pipe'],
  });
  let said = '';
  // Collects complaints about the start only; the state of servers is read from its runtime API.
  child.stderr!.setEncoding('utf8').on('data', (text: string) => {
    said = text.trim() || said;
  });
  if (output !== undefined) closeSync(output);
  await once(child, 'spawn');
  child.unref();
  recordProcess(directory, HAPROXY_PID, child.pid!);
  const deadline = clock.monotonic() + START_TIMEOUT_MS;
  while ((await pidOf(socket)) !== child.pid) {
    if (child.exitCode !== null || child.signalCode !== null || clock.monotonic() > deadline) {
      child.kill('SIGKILL');
      // The new HAProxy failed and the old one goes on: restore its record, so that the next can take over from it.
      if (before !== undefined) recordAgain(directory, HAPROXY_PID, before);
      throw new FlotillaError('unavailable', `HAProxy does not start: ${said.split('\n').at(-1)}`);
    }
    await clock.sleep(LOOK_AGAIN_MS);
  }
  // A busy HAProxy accepts connections for a moment after it was told to finish, and routes by its old configuration.
  while (before !== undefined && haveCommonSockets(before.pid, child.pid!) && clock.monotonic() < deadline)
    await clock.sleep(LOOK_AGAIN_MS);
  return child;
}

/** True while two processes share a socket: a listener that was handed over. */
function haveCommonSockets(a: number, b: number): boolean {
  const others = new Set(socketsOf(b));
  return socketsOf(a).some((socket) => others.has(socket));
}

/** Lists the inodes of a process's sockets; empty when it has ended. */
function socketsOf(pid: number): string[] {
  const directory = `/proc/${pid}/fd`;
  return namesIn(directory).flatMap((name) => {
    try {
      const link = readlinkSync(`${directory}/${name}`);
      return link.startsWith('socket:') ? [link] : [];
    } catch {
      // The descriptor was closed since the directory was read.
      return [];
    }
  });
}

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}

async function pidOf(socket: string): Promise<number> {
  const answer = await askHaproxy(socket, ['show info']).catch(() => '');
  return Number(/^Pid: (\d+)$/m.exec(answer)?.[1]);
}
