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

/** Rejects with FlotillaError `invalid` that says what HAProxy has against a configuration. */
export async function checkConfiguration(file: string): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    // Without `-q`, by which HAProxy would not say either what it has against it.
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

/** Of several lines the first `[ALERT]    (PID) : config : TEXT`, without what is before the text. */
function complaintIn(stderr: string): string | undefined {
  const line = stderr.split('\n').find((text) => text.startsWith('[ALERT]'));
  return line?.replace(/^\[ALERT\] +\(\d+\) : /, '').replace(/^config : /, '');
}

/**
 * Starts HAProxy with a configuration in the place of the one that runs, if any: it takes over its sockets, and tells it to
 * end what it has. Resolves when the new one answers, and it alone.
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
  // Only what it says against starting; of its servers it is asked.
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
      // The one before goes on; the next has to take its sockets over from it, and to end it.
      if (before !== undefined) recordAgain(directory, HAPROXY_PID, before);
      throw new FlotillaError('unavailable', `HAProxy does not start: ${said.split('\n').at(-1)}`);
    }
    await clock.sleep(LOOK_AGAIN_MS);
  }
  // Told to end while it is busy, the old one goes on for a moment to accept connections, and routes as it used to.
  while (before !== undefined && haveCommonSockets(before.pid, child.pid!) && clock.monotonic() < deadline)
    await clock.sleep(LOOK_AGAIN_MS);
  return child;
}

/** True while two processes hold a socket together: one that was handed over, and listens. */
function haveCommonSockets(a: number, b: number): boolean {
  const others = new Set(socketsOf(b));
  return socketsOf(a).some((socket) => others.has(socket));
}

/** The sockets of a process, by their inodes; none when it has ended. */
function socketsOf(pid: number): string[] {
  const directory = `/proc/${pid}/fd`;
  return namesIn(directory).flatMap((name) => {
    try {
      const link = readlinkSync(`${directory}/${name}`);
      return link.startsWith('socket:') ? [link] : [];
    } catch {
      // Closed meanwhile.
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
