import { FlotillaError } from '../../lib/index.ts';
import { type SshHost, sshHostText } from './ssh-host.ts';
import type { SshSettings } from './ssh-settings.ts';

/** An ssh process that failed. */
export interface SshEnd {
  /** Its stderr. */
  readonly said: string;
  /** Absent when we ended it for taking too long. */
  readonly status?: number;
}

/** The destination of ssh and the way to it. */
export interface SshAttempt {
  readonly host: SshHost;
  readonly settings: SshSettings;
  /** The host in between, if any. */
  readonly via?: SshHost;
}

/** Returns one sentence about a failed connection: the cause and what to do. */
export function explainSsh(end: SshEnd, attempt: SshAttempt): FlotillaError {
  return new FlotillaError('unavailable', sentence(end, attempt));
}

function sentence({ said, status }: SshEnd, { host, settings, via }: SshAttempt): string {
  const name = sshHostText(host);
  const unreachable = `cannot reach ${name} by ssh${via ? ` through ${sshHostText(via)}` : ''}`;
  if (status === undefined) return `${unreachable}: no answer within ${settings.timeoutS} s`;
  if (/HOST IDENTIFICATION HAS CHANGED|REVOKED HOST KEY/.test(said)) return changedKey(said, host, settings);
  if (/Host key verification failed/.test(said)) return unknownKey(host, settings);
  const refused = /Permission denied \(([^)]*)\)/.exec(said)?.[1];
  if (refused !== undefined) {
    return `${name} does not let ${host.user} in by ssh (${refused}): add a key that it knows to your ssh agent with ssh-add, or name another user with --ssh-username`;
  }
  // The host in between tells only its own ssh why it could not connect.
  if (via && /Connection closed by|closed by UNKNOWN/.test(said)) return `${unreachable}: nothing listens there`;
  const reason = REASONS.find(([pattern]) => pattern.test(said))?.[1] ?? lastLine(said) ?? `ssh ended with ${status}`;
  return `${unreachable}: ${reason}`;
}

const REASONS: readonly (readonly [RegExp, string])[] = [
  [/Connection refused/, 'connection refused'],
  [/timed out/i, 'no answer within --ssh-timeout'],
  [/Could not resolve hostname/, 'no such host'],
  [/No route to host/, 'no route to that host'],
  [/Network is unreachable/, 'no route to that network'],
];

function changedKey(said: string, host: SshHost, { knownHostsFile }: SshSettings): string {
  const line = /Offending \S+ key in .*:(\d+)/.exec(said)?.[1];
  const where = line === undefined ? knownHostsFile : `${knownHostsFile}:${line}`;
  const forget = `ssh-keygen -f ${knownHostsFile} -R ${knownName(host)}`;
  return `the key of ${sshHostText(host)} is not the one in ${where}: somebody may be in between; if you know why it has changed, forget the old one with ${forget}`;
}

function unknownKey(host: SshHost, { knownHostsFile, mayAsk }: SshSettings): string {
  const name = sshHostText(host);
  if (mayAsk) return `the key of ${name} was not accepted, so nothing was sent there`;
  const port = host.port === undefined ? '' : `-p ${host.port} `;
  return `the key of ${name} is unknown: run the command once at a terminal, or with yes on stdin, to accept it, or add it with ssh-keyscan ${port}${host.name} >>${knownHostsFile}`;
}

/** Formats the host as known_hosts files do. */
function knownName({ name, port }: SshHost): string {
  return port === undefined || port === 22 ? name : `'[${name}]:${port}'`;
}

/** Returns the last non-empty line, without ssh's own name in front. */
export function lastLine(said: string): string | undefined {
  const line = said.trim().split('\n').at(-1)?.trim();
  return line?.replace(/^(ssh|kex_exchange_identification): /, '') || undefined;
}
