import { isIP } from 'node:net';
import { hostname } from 'node:os';
import { FlotillaError } from './errors.ts';

/** A request to one of our HTTP listeners, as far as it tells whether a web page made it. */
export interface PageRequest {
  readonly method: string | undefined;
  /** Whether it changes anything. */
  readonly writes: boolean;
  header(name: string): string | undefined;
}

/** Throws FlotillaError `forbidden` for a request that a web page of another site has made. */
export type RefuseForeignPages = (request: PageRequest) => void;

/** Ends of names that nobody can register in public DNS, so that no web page can have one. */
const PRIVATE_ENDS: readonly string[] = ['.consul', '.localhost', '.local', '.internal'];

/**
 * The one rule against web pages for every HTTP listener that asks for no password. A browser on this network would carry
 * a page's requests to it, so a request passes only when
 *
 * - Host is an address, a name without a dot, a private name, this machine's or one of `names`: another name may have been
 *   pointed here by the page's own site (DNS rebinding), which makes the page "same-origin" to the browser;
 * - Origin, which programs do not send, is that very host;
 * - where it changes something, the browser does not name another site (Fetch Metadata), and a GET comes from no browser at
 *   all: images carry no Origin, and over plain HTTP to another machine no Fetch Metadata.
 */
export function refuseForeignPages(names: readonly string[] = []): RefuseForeignPages {
  const own = new Set([hostname(), ...names].map(normal));
  return ({ method, writes, header }) => {
    const host = header('host') ?? '';
    if (!isOwn(nameOf(host), own))
      throw new FlotillaError(
        'forbidden',
        `${JSON.stringify(host)} is not a name of this machine: use its address, or add the name to http_names in fleet.conf`,
      );
    const origin = header('origin');
    if (origin !== undefined && hostOf(origin) !== host.toLowerCase())
      throw new FlotillaError('forbidden', 'requests made by web pages of other sites are refused');
    if (!writes) return;
    if (/^(cross|same)-site$/.test(header('sec-fetch-site') ?? ''))
      throw new FlotillaError('forbidden', 'requests made by web pages of other sites may not change the cluster');
    if (method === 'GET' && header('accept-language') !== undefined)
      throw new FlotillaError('forbidden', 'a browser may change nothing by GET: use PUT');
  };
}

function isOwn(name: string, own: ReadonlySet<string>): boolean {
  if (!name.includes('.') || isIP(name) !== 0 || own.has(name)) return true;
  return PRIVATE_ENDS.some((end) => name.endsWith(end));
}

/** Without port and brackets; what is no host at all has a dot, so that it is nobody's. */
function nameOf(host: string): string {
  const match = /^(?:\[([^\]]*)\]|([^:]*))(?::\d*)?$/.exec(host);
  return normal(match === null ? '..' : (match[1] ?? match[2]!));
}

function normal(name: string): string {
  return name.toLowerCase().replace(/\.$/, '');
}

function hostOf(origin: string): string | undefined {
  return URL.canParse(origin) ? new URL(origin).host : undefined;
}
