import { homedir } from 'node:os';
import { join } from 'node:path';
import type { Flags } from '../flags.ts';
import type { Io } from '../io.ts';
import { stdinMayAnswer } from './ask-on-stdin.ts';

/** How to connect by ssh, whomever to. */
export interface SshSettings {
  readonly knownHostsFile: string;
  /** False: whatever key a host shows is taken, and none is stored. */
  readonly strict: boolean;
  /** For a connection to come about, in seconds from 1. */
  readonly timeoutS: number;
  /** Somebody sits at a terminal who can say yes to an unknown key, or type a passphrase. */
  readonly mayAsk: boolean;
  /** Nobody sits there, but stdin may hold the answer about an unknown key, as it did for fleet. */
  readonly asksOnStdin: boolean;
  readonly forwardAgent: boolean;
  /** Shows the user a question. */
  readonly say: (text: string) => void;
  /** The environment of every ssh. */
  readonly env: Io['env'];
  /** Told of each ssh that is run, for --debug. */
  readonly trace: (line: string) => void;
}

/** The settings which the global flags ask for. */
export function sshSettings(flags: Flags, io: Io): SshSettings {
  const { env } = io;
  const home = env['HOME'] || homedir();
  // The question goes to the terminal itself, so that output in a pipe or a file does not hide it.
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

/** The settings as arguments of OpenSSH; what they leave open is as ~/.ssh/config has it. */
export function sshArguments(settings: SshSettings): string[] {
  const { knownHostsFile, strict, timeoutS, mayAsk, asksOnStdin, forwardAgent } = settings;
  const options = {
    // Where nobody can be asked, an unknown key is a mistake to report, not one to wait on.
    StrictHostKeyChecking: strict ? (mayAsk || asksOnStdin ? 'ask' : 'yes') : 'no',
    UserKnownHostsFile: strict ? quoted(knownHostsFile) : '/dev/null',
    GlobalKnownHostsFile: '/dev/null',
    HashKnownHosts: 'no',
    BatchMode: mayAsk || asksOnStdin ? 'no' : 'yes',
    ConnectTimeout: timeoutS,
    // A connection that has died without a word is noticed in a quarter of a minute.
    ServerAliveInterval: 5,
    ServerAliveCountMax: 2,
    LogLevel: 'ERROR',
    // What ~/.ssh/config has for people who call ssh themselves would be in the way of the command to run.
    RemoteCommand: 'none',
    ClearAllForwardings: 'yes',
  };
  const args = Object.entries(options).flatMap(([name, value]) => ['-o', `${name}=${value}`]);
  return forwardAgent ? [...args, '-A'] : args;
}

/** A file's name in an option of ssh, which would split it at blanks and read more into a percent sign. */
function quoted(file: string): string {
  return `"${file.replaceAll('%', '%%')}"`;
}
