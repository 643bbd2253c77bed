import { homedir } from 'node:os';
import { join } from 'node:path';
import type { Flags } from '../flags.ts';
import type { Io } from '../io.ts';
import { stdinMayAnswer } from './ask-on-stdin.ts';

/** Settings of ssh connections to any host. */
export interface SshSettings {
  readonly knownHostsFile: string;
  /** False: accept any host key and store none. */
  readonly strict: boolean;
  /** Limit for connecting, in seconds, at least 1. */
  readonly timeoutS: number;
  /** True when a user at a terminal can accept an unknown key or type a passphrase. */
  readonly mayAsk: boolean;
  /** True when no user is there but stdin may hold the answer about an unknown key, as fleet read it. */
  readonly asksOnStdin: boolean;
  readonly forwardAgent: boolean;
  /** Shows the user a question. */
  readonly say: (text: string) => void;
  /** The environment of each ssh. */
  readonly env: Io['env'];
  /** Called with each ssh command line, for --debug. */
  readonly trace: (line: string) => void;
}

/** Returns the settings that the global flags select. */
export function sshSettings(flags: Flags, io: Io): SshSettings {
  const { env } = io;
  const home = env['HOME'] || homedir();
  // ssh asks on the terminal itself, so that redirected output does not hide the question.
  const mayAsk = io.inIsTerminal() && io.errIsTerminal();
  return {
    knownHostsFile: flags.text('known-hosts-file').replace(/^~(?=\/)/, home) || join(home, '.fleetctl', 'known_hosts'),
    strict: flags.bool('strict-host-key-checking'),
    timeoutS: Math.max(1, Math.ceil(flags.ms('ssh-timeout') / 1000)),
    mayAsk,
    asksOnStdin: !mayAsk && stdinMayAnswer(),
    say: (text) => io.err(text),
    forwardAgent: false,
    env,
    trace: (line) => {
      if (flags.bool('debug')) io.err(`DEBUG ${line}\n`);
    },
  };
}

/** Returns the settings as arguments of OpenSSH; everything else is as in ~/.ssh/config. */
export function sshArguments(settings: SshSettings): string[] {
  const { knownHostsFile, strict, timeoutS, mayAsk, asksOnStdin, forwardAgent } = settings;
  const options = {
    // Where no user can be asked, an unknown key must fail at once.
    StrictHostKeyChecking: strict ? (mayAsk || asksOnStdin ? 'ask' : 'yes') : 'no',
    UserKnownHostsFile: strict ? quoted(knownHostsFile) : '/dev/null',
    GlobalKnownHostsFile: '/dev/null',
    HashKnownHosts: 'no',
    BatchMode: mayAsk || asksOnStdin ? 'no' : 'yes',
    ConnectTimeout: timeoutS,
    // Notices a dead connection within 15 s.
    ServerAliveInterval: 5,
    ServerAliveCountMax: 2,
    LogLevel: 'ERROR',
    // A RemoteCommand in ~/.ssh/config, meant for interactive use, would replace our command.
    RemoteCommand: 'none',
    ClearAllForwardings: 'yes',
  };
  const args = Object.entries(options).flatMap(([name, value]) => ['-o', `${name}=${value}`]);
  return forwardAgent ? [...args, '-A'] : args;
}

/** Quotes a file name for an option of ssh, which splits at blanks and expands percent signs. */
function quoted(file: string): string {
  return `"${file.replaceAll('%', '%%')}"`;
}
