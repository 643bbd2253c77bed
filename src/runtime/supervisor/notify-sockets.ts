import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, lstatSync, mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type Clock, FlotillaError, type Log, messageOf, type Random, Restarts } from '../../lib/index.ts';
import { findExecutable } from './process/index.ts';

export type NotifyFields = ReadonlyMap<string, string>;

export interface NotifySocketsOptions {
  /** Made with the first socket, as is its parent; nobody can guess its name. */
  readonly directory: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly receive: (unit: string, fields: NotifyFields) => void;
}

/** A receiver that does not bind a socket within this time is of no use to the unit. */
const BIND_TIMEOUT_MS = 5000;

/**
 * Datagram sockets for Type=notify, which Node cannot open. One small perl process listens on all of them and hands
 * each message on as a line; it is started with the first unit of that type and ends with this process. Perl is part
 * of every Debian and of most others; where it is missing, Type=notify is refused.
 *
 * The supervisor believes every message to a unit's socket, as with NotifyAccess=all, whatever user the unit's processes have become.
 * The path is told to those processes only: its directory cannot be guessed, nor listed, and the sockets are bound by their
 * names in it, so that /proc/net/unix, which everybody can read, shows no more.
 */
export class NotifySockets {
  readonly #directory: string;
  readonly #clock: Clock;
  readonly #restarts: Restarts;
  readonly #receive: (unit: string, fields: NotifyFields) => void;
  /** By the socket's name in the directory. */
  readonly #units = new Map<string, string>();
  readonly #bound = new Map<string, (problem?: string) => void>();
  #receiver: ChildProcess | undefined;
  #rest = '';

  constructor(options: NotifySocketsOptions) {
    this.#directory = options.directory;
    this.#clock = options.clock;
    this.#restarts = new Restarts({ ...options, what: 'sd_notify receiver' });
    this.#receive = options.receive;
  }

  /** The reason why no unit of Type=notify can be held here, if there is one. */
  problem(): string | undefined {
    return 'path' in findExecutable('perl') ? undefined : 'Type=notify needs perl, or systemd';
  }

  /** The unit's NOTIFY_SOCKET: the same for every supervisor of this directory, so that it outlives them. */
  addressOf(unit: string): string {
    return join(this.#directory, nameOf(unit));
  }

  /** Resolves once messages to the unit's socket are received; with the reason when they cannot be. */
  async listen(unit: string): Promise<string | undefined> {
    const name = nameOf(unit);
    if (this.#units.has(name)) return undefined;
    try {
      this.#receiver ??= this.#start();
    } catch (error) {
      return messageOf(error);
    }
    this.#units.set(name, unit);
    const bound = new Promise<string | undefined>((resolve) => this.#bound.set(name, resolve));
    const late = () => this.#settle(name, 'its receiver does not come up');
    const cancel = this.#clock.after(BIND_TIMEOUT_MS, late);
    this.#receiver.stdin?.write(`+ ${name}\n`);
    const problem = await bound;
    cancel();
    return problem;
  }

  #settle(name: string, problem?: string): void {
    this.#bound.get(name)?.(problem);
    this.#bound.delete(name);
  }

  forget(unit: string): void {
    const name = nameOf(unit);
    if (!this.#units.delete(name)) return;
    const receiver = this.#receiver;
    receiver?.stdin?.write(`- ${name}\n`);
    if (this.#units.size > 0) return;
    this.#receiver = undefined;
    receiver?.stdin?.end();
  }

  #start(): ChildProcess {
    for (const path of [dirname(this.#directory), this.#directory]) makePassage(path);
    const receiver: ChildProcess = spawn('perl', ['-e', RECEIVER, this.#directory], {
      cwd: this.#directory,
      stdio: ['pipe', 'pipe', 'ignore'],
    });
    // Without a process there may be no pipes to it.
    receiver.stdout?.setEncoding('latin1').on('data', (text: string) => this.#readLines(text));
    receiver.stdin?.on('error', () => {});
    receiver.once('error', (error) => this.#ended(receiver, messageOf(error)));
    receiver.once('exit', (status, signal) => this.#ended(receiver, signal ?? `exit status ${status}`));
    receiver.unref();
    this.#restarts.serves();
    return receiver;
  }

  #ended(receiver: ChildProcess, how: string): void {
    if (this.#receiver !== receiver) return;
    this.#clock.after(this.#restarts.ended(how), () => {
      if (this.#receiver !== receiver) return;
      this.#rest = '';
      try {
        this.#receiver = this.#start();
      } catch (error) {
        this.#ended(receiver, messageOf(error));
        return;
      }
      for (const name of this.#units.keys()) this.#receiver.stdin?.write(`+ ${name}\n`);
    });
  }

  #readLines(text: string): void {
    const lines = (this.#rest + text).split('\n');
    this.#rest = lines.pop()!;
    for (const line of lines) {
      const [word, name, message] = line.split(' ') as [string, string, string | undefined];
      if (word === 'bound') this.#settle(name);
      else if (word === 'failed') this.#settle(name, Buffer.from(message ?? '', 'hex').toString());
      else this.#deliver(name, message ?? '');
    }
  }

  #deliver(name: string, hex: string): void {
    const unit = this.#units.get(name);
    if (unit === undefined) return;
    const lines = Buffer.from(hex, 'hex').toString().split('\n');
    this.#receive(
      unit,
      new Map(lines.map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)])),
    );
  }
}

/** A directory of ours that others may pass through but not list. Throws when it is another's: they could listen there. */
function makePassage(path: string): void {
  // An existing directory keeps its mode; a new one gets this mode whatever the umask.
  if (mkdirSync(path, { recursive: true, mode: 0o711 }) !== undefined) chmodSync(path, 0o711);
  const found = lstatSync(path);
  if (!found.isDirectory() || found.uid !== process.getuid!())
    throw new FlotillaError('usage', `${path} belongs to another user (uid ${found.uid}): move it away`);
}

/** Names of units may be longer than a socket's address. */
function nameOf(unit: string): string {
  return createHash('sha256').update(unit).digest('hex').slice(0, 24);
}

/**
 * Reads `+ NAME` and `- NAME`; writes `bound NAME`, or `failed NAME REASON` with the reason in hexadecimal digits, and
 * `message NAME HEX`. Ends with its input, and removes its directory, the argument, if no socket is left in it; ends at no
 * signal that is meant for another process of fleetd's.
 */
const RECEIVER = String.raw`
BEGIN { $0 = 'fleetd-notify'; $SIG{$_} = 'IGNORE' for qw(HUP INT TERM USR1 USR2 ALRM PIPE) }
use strict; use Socket; $| = 1;
my (%socket, $in); my $watch = ''; vec($watch, 0, 1) = 1;
while (1) {
  my $ready = $watch;
  next if select($ready, undef, undef, undef) < 0;
  if (vec($ready, 0, 1)) {
    unless (sysread(STDIN, $in, 65536, length($in // ''))) { rmdir $ARGV[0]; exit 0 }
    while ($in =~ s/^([+-]) (.*)\n//) {
      my ($what, $name) = ($1, $2);
      unlink $name;
      if ($what eq '-') {
        for (grep { $socket{$_}[1] eq $name } keys %socket) { vec($watch, $_, 1) = 0; delete $socket{$_} }
        next;
      }
      my $new;
      unless (socket($new, AF_UNIX, SOCK_DGRAM, 0) && bind($new, pack_sockaddr_un($name))) {
        print "failed $name ", unpack('H*', "$!"), "\n";
        next;
      }
      chmod 0777, $name;
      $socket{fileno $new} = [$new, $name];
      vec($watch, fileno $new, 1) = 1;
      print "bound $name\n";
    }
  }
  for (keys %socket) {
    next unless vec($ready, $_, 1);
    defined recv($socket{$_}[0], my $message, 65536, 0) or next;
    print "message $socket{$_}[1] ", unpack('H*', $message), "\n";
  }
}`;
