/** Shared by the tests of ssh: an sshd, an ssh agent and a home directory of their own. */

import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { connect } from 'node:net';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../../lib/test-free-port.ts';
import { until } from '../../lib/test-until.ts';

const MAIN = join(import.meta.dirname, '../main.ts');
const SSHD = '/usr/sbin/sshd';

/** Returns the reason why no sshd can run here, if any. */
export function sshProblem(): string | undefined {
  const missing = ['ssh', 'ssh-agent', 'script'].filter((name) => spawnSync('which', [name]).status !== 0);
  if (spawnSync(SSHD, ['-V']).error) missing.push('sshd');
  return missing.length > 0 ? `missing ${missing.join(', ')}: apt-get install openssh-server bsdutils` : undefined;
}

/** Returns the reason why this user's sshd cannot allocate terminals, if any. */
export function terminalProblem(): string | undefined {
  // sshd gives terminals to the group tty. On a devpts mounted without gid= only root may do that.
  if (process.getuid!() === 0 || /^devpts \S+ devpts \S*gid=/m.test(readFileSync('/proc/mounts', 'utf8')))
    return undefined;
  return 'run by root only: terminals are not of the group tty here (devpts is mounted without gid=5)';
}

export interface SshResult {
  readonly status: number;
  readonly out: string;
  readonly err: string;
}

/** An sshd on 127.0.0.1 that accepts this user by a key of an agent, and a home directory for its clients. */
export class TestSshd {
  readonly folder = mkdtempSync(join(tmpdir(), 'fl-ssh-'));
  readonly user = userInfo().username;
  readonly env: Record<string, string>;
  port = 0;
  /** The lab of the user at the other end. */
  lab = '';
  #sshd: ChildProcess | undefined;
  #agent: ChildProcess | undefined;

  constructor(env: Readonly<Record<string, string>> = {}) {
    const { PATH = '' } = process.env;
    this.env = {
      ...env,
      PATH,
      HOME: join(this.folder, 'home'),
      SSH_AUTH_SOCK: join(this.folder, 'agent.sock'),
      FLEETCTL_SSH_USERNAME: this.user,
      FLEETCTL_SSH_TIMEOUT: '20',
    };
    mkdirSync(this.env['HOME']!);
  }

  /** `127.0.0.1:PORT`, for --tunnel. */
  get address(): string {
    return `127.0.0.1:${this.port}`;
  }

  get knownHosts(): string {
    return join(this.env['HOME']!, '.fleetctl', 'known_hosts');
  }

  async start(): Promise<void> {
    this.port = await freePort();
    mkdirSync(join(this.folder, 'bin'));
    const fleetctl = join(this.folder, 'bin', 'fleetctl');
    writeFileSync(fleetctl, `#!/bin/sh\nexec '${process.execPath}' '${MAIN}' "$@"\n`);
    chmodSync(fleetctl, 0o755);
    for (const name of ['key', 'other-key'])
      execFileSync('ssh-keygen', ['-qt', 'ed25519', '-N', '', '-f', this.#at(name)]);
    this.newHostKey();
    writeFileSync(this.#at('sshd_config'), this.#config());
    // sshd's privilege separation directory, which distributions create when they start sshd.
    if (process.getuid!() === 0) mkdirSync('/run/sshd', { recursive: true, mode: 0o755 });
    this.#agent = spawn('ssh-agent', ['-D', '-a', this.env['SSH_AUTH_SOCK']!], { stdio: 'ignore' });
    await until('the ssh agent answers', () => this.#script(`ssh-add -q ${this.#at('key')}`) === 0);
    await this.startSshd();
  }

  /** Gives the host another key from the next `startSshd` on. */
  newHostKey(): void {
    rmSync(this.#at('host_key'), { force: true });
    execFileSync('ssh-keygen', ['-qt', 'ed25519', '-N', '', '-f', this.#at('host_key')]);
  }

  async startSshd(): Promise<void> {
    this.#sshd = spawn(SSHD, ['-D', '-E', this.#at('log'), '-f', this.#at('sshd_config')], { stdio: 'ignore' });
    await until('sshd listens', () => listens(this.port));
  }

  /** Stops sshd, so that new connections fail, and closes the shared ones. */
  async stopSshd(): Promise<void> {
    for (const name of this.shared()) {
      const path = join(this.controlDirectory, name);
      // The socket of a killed process has no listener and counts as closed.
      spawnSync('ssh', ['-S', path, '-O', 'exit', '127.0.0.1'], { env: this.env });
    }
    await ended(this.#sshd);
  }

  /** Adds the host's key to known_hosts for both its addresses. */
  trust(): void {
    const key = execFileSync('ssh-keygen', ['-yf', this.#at('host_key')], { encoding: 'utf8' });
    mkdirSync(join(this.env['HOME']!, '.fleetctl'), { recursive: true });
    writeFileSync(this.knownHosts, `[127.0.0.1]:${this.port},[127.0.1.1]:${this.port} ${key}`);
  }

  /** Runs fleetctl as a process without a terminal. */
  fleetctl(...args: string[]): Promise<SshResult> {
    return this.#run(process.execPath, [MAIN, ...args]);
  }

  /** Runs a line of shell with fleetctl in PATH. */
  shell(line: string): Promise<SshResult> {
    return this.#run('sh', ['-c', `PATH='${this.folder}/bin':$PATH; ${line}`]);
  }

  /** Runs fleetctl at a terminal, where `answer` is typed at the first question or prompt. All output is in `out`. */
  atTerminal(answer: string, ...args: string[]): Promise<SshResult> {
    const line = [process.execPath, MAIN, ...args].map((word) => `'${word}'`).join(' ');
    return this.#run('script', ['-qec', line, '/dev/null'], answer);
  }

  get controlDirectory(): string {
    return join(this.env['HOME']!, '.fleetctl', 'ssh');
  }

  /** Lists the sockets of shared connections. */
  shared(): string[] {
    return existsSync(this.controlDirectory) ? readdirSync(this.controlDirectory) : [];
  }

  /** Runs a line of bash with fleetctl in PATH. */
  bash(line: string): Promise<SshResult> {
    const { folder } = this;
    return this.#run('bash', ['-c', `cd '${folder}'; PATH='${folder}/bin':$PATH; ${line}`]);
  }

  /** Forgets the host's key and closes the kept connection. */
  async forget(): Promise<void> {
    rmSync(this.knownHosts);
    await this.stopSshd();
    await this.startSshd();
  }

  async close(): Promise<void> {
    await this.stopSshd();
    await ended(this.#agent);
    rmSync(this.folder, { recursive: true, force: true });
  }

  #at(name: string): string {
    return join(this.folder, name);
  }

  #script(line: string): number | null {
    return spawnSync('sh', ['-c', line], { env: this.env }).status;
  }

  #config(): string {
    return `Port ${this.port}
ListenAddress 127.0.0.1
ListenAddress 127.0.1.1
HostKey ${this.#at('host_key')}
AuthorizedKeysFile ${this.#at('key.pub')}
PidFile none
UsePAM no
StrictModes no
PermitRootLogin yes
PasswordAuthentication no
SetEnv PATH=${this.folder}/bin:/usr/bin:/bin FLOTILLA_LAB=${this.lab}
`;
  }

  #run(command: string, args: readonly string[], answer?: string): Promise<SshResult> {
    const child = spawn(command, args, {
      env: this.env,
      stdio: [answer === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
    });
    const ran = { out: '', err: '' };
    let left = answer;
    child.stdout!.on('data', (chunk) => {
      ran.out += chunk;
      if (left === undefined || !/[?#$]\s*$/.test(ran.out)) return;
      child.stdin!.write(`${left}\n`);
      left = undefined;
    });
    child.stderr!.on('data', (chunk) => {
      ran.err += chunk;
    });
    return new Promise((resolve) => child.once('close', (status) => resolve({ status: status ?? -1, ...ran })));
  }
}

async function ended(child: ChildProcess | undefined): Promise<void> {
  if (!child || child.exitCode !== null || child.signalCode !== null) return;
  await new Promise((resolve) => {
    child.once('close', resolve);
    child.kill();
  });
}

function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
