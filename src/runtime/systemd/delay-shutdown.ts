import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { addAbortListener } from 'node:events';
import type { Readable, Writable } from 'node:stream';
import type { Message } from 'dbus-native';
import { Backoff, type Clock, type Log, messageOf, type Random } from '../../lib/index.ts';
import { BusConnection } from './bus-connection.ts';

export interface DelayShutdownOptions {
  /** D-Bus address of the system's bus. */
  readonly busAddress: string;
  /** Called when the machine is about to shut down. logind waits for the promise, up to InhibitDelayMaxSec= (5 s). */
  readonly prepare: () => Promise<void>;
  /** Called when the shutdown was cancelled. */
  readonly goOn: () => void;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly signal: AbortSignal;
}

const LOGIN = 'org.freedesktop.login1';
const RULE = `type='signal',sender='${LOGIN}',interface='${LOGIN}.Manager',member='PrepareForShutdown'`;
const MATCH = { destination: 'org.freedesktop.DBus', path: '/org/freedesktop/DBus', interface: 'org.freedesktop.DBus' };

/** The lock is held by this program, which ends with fleetd: Node cannot receive the lock's descriptor over D-Bus. */
const LOCK = ['--what=shutdown', '--mode=delay', '--who=fleetd', '--why=Requests under way end first', 'cat'];

type Lock = ChildProcessByStdio<Writable, null, Readable>;

/**
 * Delays a shutdown until services have drained. systemd stops all units at once, fleetd among them; a delay lock of
 * systemd-logind (https://systemd.io/INHIBITOR_LOCKS/) tells fleetd before. Without logind, or when it is bypassed
 * (`systemctl --force`), nothing waits.
 */
export function delayShutdown(options: DelayShutdownOptions): void {
  void new ShutdownDelay(options).run();
}

class ShutdownDelay {
  readonly #options: DelayShutdownOptions;
  #told = false;

  constructor(options: DelayShutdownOptions) {
    this.#options = options;
  }

  async run(): Promise<void> {
    const { clock, random, log, signal } = this.#options;
    const backoff = new Backoff({ minMs: 1000, maxMs: 60_000 }, random);
    while (!signal.aborted) {
      try {
        await this.#hold();
        backoff.reset();
      } catch (error) {
        const fields = { error: messageOf(error) };
        log[this.#told ? 'debug' : 'info']('No lock of logind: a shutdown does not wait for requests', fields);
        this.#told = true;
      }
      await clock.sleep(backoff.next(), signal).catch(() => {});
    }
  }

  /** Takes the lock and releases it after a shutdown has been prepared. Resolves when it must be taken again. */
  async #hold(): Promise<void> {
    const { busAddress, signal } = this.#options;
    const over = Promise.withResolvers<void>();
    const onAbort = () => over.resolve();
    let lock: Lock | undefined;
    const onSignal = (message: Message) => {
      if (message.member !== 'PrepareForShutdown') return;
      if (message.body?.[0] === true) void this.#prepare().then(() => lock?.stdin.end());
      else this.#goOn(over.resolve);
    };
    const connection = await BusConnection.open(busAddress, { onSignal, onClose: onAbort });
    using _aborting = addAbortListener(signal, onAbort);
    try {
      await connection.call({ ...MATCH, member: 'AddMatch', signature: 's', body: [RULE] });
      lock = takeLock(over.reject);
      await over.promise;
    } finally {
      connection.close();
      lock?.stdin.end();
    }
  }

  async #prepare(): Promise<void> {
    const { log, prepare } = this.#options;
    log.info('The machine shuts down: its services leave first');
    await prepare().catch((error) => log.warn('Services did not leave', { error: messageOf(error) }));
  }

  #goOn(takeAgain: () => void): void {
    this.#options.log.info('The machine does not shut down after all');
    this.#options.goOn();
    takeAgain();
  }
}

/** Calls `failed` with the reason when the lock is lost or cannot be taken, not when it was released. */
function takeLock(failed: (reason: Error) => void): Lock {
  const lock = spawn('systemd-inhibit', LOCK, { stdio: ['pipe', 'ignore', 'pipe'] });
  let complaint = '';
  lock.stderr.on('data', (chunk: Buffer) => {
    complaint = `${complaint}${chunk}`.slice(0, 2000);
  });
  lock.stdin.on('error', () => {});
  lock.once('error', failed);
  lock.once('close', (code) => {
    if (code !== 0) failed(new Error(complaint.trim() || `systemd-inhibit ended with status ${code}`));
  });
  return lock;
}
