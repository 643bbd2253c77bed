import { execFile } from 'node:child_process';
import { type Clock, type Log, messageOf, microsecondsOfBoot } from '../lib/index.ts';

/** Notifies the service manager that started fleetd (sd_notify(3)); does nothing where there is none. */
export interface ServiceNotifier {
  /** The API responds, at the start or after a reload. */
  ready(): void;
  /** One line for `systemctl status`. */
  status(line: string): void;
  reloading(): void;
  /** Resolves when the notification has been sent. */
  stopping(): Promise<void>;
}

export interface ServiceNotifierOptions {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly pid: number;
  readonly clock: Clock;
  readonly log: Log;
}

/** Limit for one notification: systemd-notify waits until systemd has read it. */
const TELL_LIMIT_MS = 10_000;

/**
 * Opens the service manager of NOTIFY_SOCKET. Where it watches the process (WATCHDOG_USEC), it is notified twice in
 * that time that the event loop still turns.
 */
export function openServiceNotifier({ env, pid, clock, log }: ServiceNotifierOptions): ServiceNotifier {
  const socket = env['NOTIFY_SOCKET'];
  if (!socket) return SILENT;
  let told: Promise<void> = Promise.resolve();
  const tell = (...lines: readonly string[]): Promise<void> => {
    // One after the other, because the order of RELOADING=1 and READY=1 matters.
    told = told.then(() => runSystemdNotify(lines, socket, env['PATH'])).catch((error) => failed(error));
    return told;
  };
  const failed = (error: unknown) => log.warn('systemd was not notified', { error: messageOf(error) });
  const everyMs = watchdogMs(env, pid) / 2;
  const ping = () => {
    void tell('WATCHDOG=1');
    clock.after(everyMs, ping);
  };
  if (everyMs > 0) clock.after(everyMs, ping);
  let shown: string | undefined;
  return {
    ready: () => void tell('READY=1'),
    status(line) {
      if (shown !== line) void tell(`STATUS=${line}`);
      shown = line;
    },
    reloading: () => void tell('RELOADING=1', `MONOTONIC_USEC=${microsecondsOfBoot()}`),
    stopping: () => tell('STOPPING=1', 'STATUS=Stopping units'),
  };
}

const SILENT: ServiceNotifier = { ready() {}, status() {}, reloading() {}, async stopping() {} };

/** Returns the milliseconds within which systemd expects a sign of life; 0 when it does not watch this process. */
function watchdogMs(env: ServiceNotifierOptions['env'], pid: number): number {
  const watched = env['WATCHDOG_PID'];
  if (watched !== undefined && watched !== String(pid)) return 0;
  return Number(env['WATCHDOG_USEC'] ?? 0) / 1000 || 0;
}

/** Node has no unix datagram sockets; systemd-notify has them (docs/adr/0010-systemd-is-told-by-its-own-program.md). */
function runSystemdNotify(lines: readonly string[], socket: string, searchPath = '/usr/bin:/bin'): Promise<void> {
  return new Promise((resolve, reject) => {
    const env = { PATH: searchPath, NOTIFY_SOCKET: socket };
    execFile('systemd-notify', [...lines], { env, timeout: TELL_LIMIT_MS }, (error) =>
      error ? reject(error) : resolve(),
    );
  });
}
