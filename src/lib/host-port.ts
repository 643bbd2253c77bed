/** A numeric address and a port. */
export interface HostPort {
  readonly host: string;
  readonly port: number;
}

const IPV4 = /^(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)(?:\.(?!$)|$)){4}$/;
const IPV6 = /^[0-9a-f]*:[0-9a-f:.]*(?:%[\w.-]+)?$/i;

/** Parses ADDRESS:PORT, [IPV6]:PORT or :PORT (all addresses); returns undefined for anything else. */
export function parseHostPort(text: string): HostPort | undefined {
  const match = /^(?:\[(.+)\]|([^:]*)):(\d{1,5})$/.exec(text);
  const host = match?.[1] ?? match?.[2] ?? '';
  const port = Number(match?.[3]);
  if (!match || port > 65_535 || (host !== '' && !IPV4.test(host) && !IPV6.test(host))) return undefined;
  return { host: host || '0.0.0.0', port };
}

/** Formats HOST:PORT as URLs and logs write it. */
export function formatHostPort({ host, port }: HostPort): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}
