import { FlotillaError } from '../../lib/index.ts';

/** The destination of an ssh connection. */
export interface SshHost {
  readonly user: string;
  /** A name, an address, or a Host of ~/.ssh/config; an IPv6 address without brackets. */
  readonly name: string;
  /** Absent: the port in ~/.ssh/config, else 22. */
  readonly port?: number;
}

/** A name or an IPv6 address in brackets, with or without a port; a bare IPv6 address. */
const FORMS: readonly RegExp[] = [
  /^([\p{L}\p{N}_./+][\p{L}\p{N}_./+-]*)(?::(\d{1,5}))?$/u,
  /^\[([\da-f:.]+(?:%[\w.]+)?)\](?::(\d{1,5}))?$/i,
  /^([\da-f]*:[\da-f:.]*:[\da-f.]*)$/i,
];
const USER = /^[\p{L}\p{N}_.][\p{L}\p{N}_.@+-]*$/u;

/** Parses `[USER@]HOST[:PORT]` as --tunnel accepts it; `user` is the default. Throws `usage` errors. */
export function parseSshHost(text: string, user: string): SshHost {
  const at = text.lastIndexOf('@');
  const rest = text.slice(at + 1);
  const [, name = '', port] = FORMS.map((form) => form.exec(rest)).find((found) => found !== null) ?? [];
  const host = { user: at < 0 ? user : text.slice(0, at), name, ...(port === undefined ? {} : { port: Number(port) }) };
  const isPort = host.port === undefined || (host.port > 0 && host.port < 65_536);
  if (name === '' || !isPort) {
    throw new FlotillaError('usage', `${JSON.stringify(text)} names no host for ssh: write HOST or HOST:PORT`);
  }
  if (!USER.test(host.user)) throw new FlotillaError('usage', `${JSON.stringify(host.user)} is no user for ssh`);
  return host;
}

/** Formats the host for messages: `172.17.8.101`, or `172.17.8.101:2222`. */
export function sshHostText({ name, port }: SshHost): string {
  if (port === undefined) return name;
  return name.includes(':') ? `[${name}]:${port}` : `${name}:${port}`;
}
