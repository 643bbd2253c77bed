import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { type Clock, type Log, messageOf, type Random, Restarts } from '../../lib/index.ts';
import { findExecutable } from './process/index.ts';

export type NotifyFields = ReadonlyMap<string, string>;

export interface NotifySocketsOptions {
  readonly directory: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly receive: (unit: string, fields: NotifyFields) => void;
}

/** Longer paths do not fit into a socket's address. */
const MAX_SOCKET_PATH = 107;
/** A receiver that does not bind a socket within this time is of no use to the unit. */
const BIND_TIMEOUT_MS = 5000;

/**
 * Datagram sockets for Type=notify, which Node cannot open. One small perl process listens on all of them and hands
 * each message on as a line; it is started with the first unit of that type and ends with this process. Perl is part
 * of every Debian and of most others; where it is missing, Type=notify is refused.
 *
 * Whoever can write to a unit's socket is believed, as with NotifyAccess=all: the socket's path is told to that unit's
 * processes only.
 */
export class NotifySockets {
  readonly #directory: string;
  readonly #clock: Clock;
  readonly #restarts: Restarts;
  readonly #receive: (unit: string, fields: NotifyFields) => void;
  /** Socket → unit. */
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
    const hash = createHash('sha256').update(`${this.#directory} ${unit}`).digest('hex').slice(0, 24);
    const path = join(this.#directory, hash);
    return path.length <= MAX_SOCKET_PATH ? path : `@flotilla/notify/${hash}`;
  }

  /** Resolves once messages to the unit's socket are received; with the reason when they cannot be. */
  async listen(unit: string): Promise<string | undefined> {
    const address = this.addressOf(unit);
    if (this.#units.has(address)) return undefined;
    this.#units.set(address, unit);
    const bound = new Promise<string | undefined>((resolve) => this.#bound.set(address, resolve));
    const late = () => this.#settle(address, 'its receiver does not come up');
    const cancel = this.#clock.after(BIND_TIMEOUT_MS, late);
    this.#receiver ??= this.#start();
    this.#receiver.stdin?.write(`+ ${address}\n`);
    const problem = await bound;
    cancel();
    return problem;
  }

  #settle(address: string, problem?: string): void {
    this.#bound.get(address)?.(problem);
    this.#bound.delete(address);
  }

  forget(unit: string): void {
    const address = this.addressOf(unit);
    if (!this.#units.delete(address)) return;
    const receiver = this.#receiver;
    receiver?.stdin?.write(`- ${address}\n`);
    if (this.#units.size > 0) return;
    this.#receiver = undefined;
    receiver?.stdin?.end();
  }

  #start(): ChildProcess {
    mkdirSync(this.#directory, { recursive: true, mode: 0o711 });
    const receiver = spawn('perl', ['-e', RECEIVER], { stdio: ['pipe', 'pipe', 'ignore'] });
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
      this.#receiver = this.#start();
      for (const address of this.#units.keys()) this.#receiver.stdin?.write(`+ ${address}\n`);
    });
  }

  #readLines(text: string): void {
    const lines = (this.#rest + text).split('\n');
    this.#rest = lines.pop()!;
    for (const line of lines) {
      const [word, address, message] = line.split(' ') as [string, string, string | undefined];
      if (word === 'bound') this.#settle(address);
      else if (word === 'failed') this.#settle(address, Buffer.from(message ?? '', 'hex').toString());
      else this.#deliver(address, message ?? '');
    }
  }

  #deliver(address: string, hex: string): void {
    const unit = this.#units.get(address);
    if (unit === undefined) return;
    const lines = Buffer.from(hex, 'hex').toString().split('\n');
    this.#receive(
      unit,
      new Map(lines.map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)])),
    );
  }
}

/**
 * Reads `+ ADDRESS` and `- ADDRESS`; writes `bound ADDRESS`, or `failed ADDRESS REASON` with the reason in hexadecimal
 * digits, and `message ADDRESS HEX`. Ends with its input, and at no signal that is meant for another process of fleetd's.
 */
const RECEIVER = String.raw`
BEGIN { $0 = 'fleetd-notify'; $SIG{$_} = 'IGNORE' for qw(HUP INT TERM USR1 USR2 ALRM PIPE) }
use strict; use Socket; $| = 1;
my (%socket, $in); my $watch = ''; vec($watch, 0, 1) = 1;
while (1) {
  my $ready = $watch;
  next if select($ready, undef, undef, undef) < 0;
  if (vec($ready, 0, 1)) {
    exit 0 unless sysread(STDIN, $in, 65536, length($in // ''));
    while ($in =~ s/^([+-]) (.*)\n//) {
      my ($what, $address) = ($1, $2);
      (my $path = $address) =~ s/^@/\0/;
      unlink $path unless $path =~ /^\0/;
      if ($what eq '-') {
        for (grep { $socket{$_}[1] eq $address } keys %socket) { vec($watch, $_, 1) = 0; delete $socket{$_} }
        next;
      }
      my $new;
      unless (socket($new, AF_UNIX, SOCK_DGRAM, 0) && bind($new, pack_sockaddr_un($path))) {
        print "failed $address ", unpack('H*', "$!"), "\n";
        next;
      }
      chmod 0777, $path unless $path =~ /^\0/;
      $socket{fileno $new} = [$new, $address];
      vec($watch, fileno $new, 1) = 1;
      print "bound $address\n";
    }
  }
  for (keys %socket) {
    next unless vec($ready, $_, 1);
    defined recv($socket{$_}[0], my $message, 65536, 0) or next;
    print "message $socket{$_}[1] ", unpack('H*', $message), "\n";
  }
}`;
