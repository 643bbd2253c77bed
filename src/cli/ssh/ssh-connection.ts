import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Duplex } from 'node:stream';
import { FlotillaError, systemReason } from '../../lib/index.ts';
import { HOST_KEY_QUESTION, withAskOnStdin } from './ask-on-stdin.ts';
import { ChildStream } from './child-stream.ts';
import { controlSocketPath, isShared } from './control-socket.ts';
import { explainSsh, type SshEnd } from './explain-ssh.ts';
import { type SshHost, sshHostText } from './ssh-host.ts';
import { type SshSettings, sshArguments } from './ssh-settings.ts';

/** Seconds for which OpenSSH keeps an unused connection. */
const KEPT = '60';

/**
 * A connection to one host. OpenSSH holds it open in the background for a minute, and later calls with the same
 * settings share it, in this process or another.
 */
export class SshConnection {
  readonly host: SshHost;
  readonly #settings: SshSettings;
  readonly #via: SshConnection | undefined;
  /** Arguments of an ssh that uses the connection, without the command. */
  readonly #args: readonly string[];
  readonly #socket: string;

  private constructor(host: SshHost, settings: SshSettings, via: SshConnection | undefined) {
    this.host = host;
    this.#settings = settings;
    const args = [...sshArguments(settings), ...(via ? ['-o', `ProxyCommand=${via.#proxyCommand()}`] : [])];
    this.#via = via;
    this.#socket = controlSocketPath(sharedBy(host, settings, via ? via.#socket : ''), settings.env);
    const port = host.port === undefined ? [] : ['-p', String(host.port)];
    this.#args = [...args, '-S', this.#socket.replaceAll('%', '%%'), ...port, '-l', host.user];
  }

  /** Connects, through another connection if one is given. Rejects with one sentence on failure. */
  static async open(host: SshHost, settings: SshSettings, via?: SshConnection): Promise<SshConnection> {
    const connection = new SshConnection(host, settings, via);
    if (!(await isShared(connection.#socket))) await connection.#connect();
    return connection;
  }

  /** Runs a command, or a shell, on this process's own streams; returns its exit status. */
  async run(command: readonly string[]): Promise<number> {
    const child = this.#spawn(['--', this.host.name, ...command], { stdio: 'inherit' });
    const end = () => child.kill('SIGTERM');
    process.once('exit', end);
    const { status } = await ended(child);
    process.off('exit', end);
    return status ?? 255;
  }

  /** Runs a command and returns its input and output as a stream. `explain` makes the error of a failure. */
  pipe(command: string, explain: (end: SshEnd) => FlotillaError): Duplex {
    return this.#stream(['-T', '--', this.host.name, command], explain);
  }

  /** Opens a TCP connection from that host. */
  forward(address: { readonly host: string; readonly port: number }, explain: (end: SshEnd) => FlotillaError): Duplex {
    return this.#stream(['-W', `[${address.host}]:${address.port}`, '--', this.host.name], explain);
  }

  async #connect(): Promise<void> {
    const { mayAsk, asksOnStdin, strict, timeoutS, knownHostsFile } = this.#settings;
    if (strict && (mayAsk || asksOnStdin)) makeDirectoryOf(knownHostsFile);
    // Of two at once one becomes the master; the other's connection ends with its command.
    const args = ['-nT', '-o', 'ControlMaster=auto', '-o', `ControlPersist=${KEPT}`, '--', this.host.name, 'true'];
    // ssh's own timeout ends with the key exchange and does not cover what follows.
    const limit = mayAsk ? {} : { timeout: 2 * timeoutS * 1000 };
    const end = asksOnStdin
      ? await withAskOnStdin(timeoutS, (env) =>
          this.#asking(this.#spawn(args, { stdio: ['inherit', 'ignore', 'pipe'], ...limit }, env)),
        )
      : await ended(this.#spawn(args, { stdio: ['ignore', 'ignore', 'pipe'], ...limit }));
    if (end.status !== 0 && !(await isShared(this.#socket))) throw this.#explain(end);
  }

  /** Shows the question about an unknown key as soon as ssh asks it. */
  #asking(child: ChildProcess): Promise<SshEnd> {
    let said = '';
    child.stderr!.setEncoding('utf8').on('data', (chunk: string) => {
      said += chunk;
      if (!HOST_KEY_QUESTION.test(said)) return;
      this.#settings.say(said);
      said = '';
    });
    return ended(child);
  }

  #stream(args: readonly string[], explain: (end: SshEnd) => FlotillaError): Duplex {
    const child = this.#spawn(args, { stdio: ['pipe', 'pipe', 'pipe'] });
    const failure = ended(child).then((end) => {
      // 255 is ssh's own status; any other is the command's.
      if (end.status === 255 && !/forwarding request failed/.test(end.said)) {
        return this.#explain(end);
      }
      return end.status === 0 ? undefined : explain(end);
    });
    return new ChildStream(child.stdin!, child.stdout!, failure);
  }

  #explain(end: SshEnd): FlotillaError {
    return explainSsh(end, {
      host: this.host,
      settings: this.#settings,
      ...(this.#via ? { via: this.#via.host } : {}),
    });
  }

  #spawn(args: readonly string[], options: SpawnOptions, more: Readonly<Record<string, string>> = {}): ChildProcess {
    const all = [...this.#args, ...args];
    this.#settings.trace(`ssh ${all.join(' ')}`);
    return spawn('ssh', all, { ...options, env: { ...this.#settings.env, ...more } as NodeJS.ProcessEnv });
  }

  /** Returns the command by which another ssh reaches a host through this connection. */
  #proxyCommand(): string {
    const args = ['ssh', ...this.#args, '-W', '[%h]:%p', '--', this.host.name];
    return args.map((arg) => shellQuoted(arg === '[%h]:%p' ? arg : arg.replaceAll('%', '%%'))).join(' ');
  }

  toString(): string {
    return sshHostText(this.host);
  }
}

/** ssh writes an accepted key there, but creates no directory other than ~/.ssh. */
function makeDirectoryOf(knownHostsFile: string): void {
  try {
    mkdirSync(dirname(knownHostsFile), { recursive: true, mode: 0o700 });
  } catch (error) {
    throw new FlotillaError(
      'invalid',
      `cannot make the directory of ${knownHostsFile}, where keys of hosts are to be stored (${systemReason(error)}): name another file with --known-hosts-file`,
    );
  }
}

/** Returns the settings that must be equal for sharing a connection; whether the user may be asked does not matter. */
function sharedBy(host: SshHost, settings: SshSettings, via: string): string[] {
  const { strict, knownHostsFile, forwardAgent, env } = settings;
  const trusts = strict ? knownHostsFile : '';
  return [
    ...[host.user, host.name, String(host.port), via],
    ...[trusts, String(forwardAgent), env['SSH_AUTH_SOCK'] ?? ''],
  ];
}

/** Waits until a process and its streams have ended. */
function ended(child: ChildProcess): Promise<SshEnd> {
  let said = '';
  child.stderr?.setEncoding('utf8').on('data', (chunk) => {
    said += chunk;
  });
  return new Promise((resolve, reject) => {
    child.once('error', (error) => {
      const missing = (error as NodeJS.ErrnoException).code === 'ENOENT';
      const message = missing ? 'there is no ssh on this computer: install the OpenSSH client' : String(error);
      reject(new FlotillaError('unavailable', message, {}, error));
    });
    child.once('close', (status) => resolve({ said, ...(status === null ? {} : { status }) }));
  });
}

/** Quotes one word for a POSIX shell. */
export function shellQuoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
