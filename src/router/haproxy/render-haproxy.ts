import { shownCell } from '../../lib/index.ts';
import { HEALTH_PATH, type ListenAddress, RETRY_AFTER_S, type RouterSettings } from '../data-plane.ts';
import { compareHosts } from '../route-order.ts';
import type { Backend, Route } from '../route-table.ts';
import { UNTRUSTED_HEADERS } from '../untrusted-headers.ts';
import type { Section } from './slots.ts';

export interface HaproxyFiles {
  readonly socket: string;
  readonly index: string;
  /** Without a certificate HAProxy starts only with `strict-sni`, which refuses all clients. */
  readonly hasCertificates: boolean;
}

/**
 * Matches all spellings of untrusted headers, except the `x-forwarded-for` to which the client's address is appended.
 */
const DROPPED = `^(?!x-forwarded-for$)(${['http2-settings', ...UNTRUSTED_HEADERS].join('|').replaceAll('-', '[-_]')})$`;
const HTML = '"text/html; charset=utf-8"';
/**
 * The router process's limit for a request head and its number of headers; HAProxy reserves room for its own additions.
 */
const MAX_HEAD_BYTES = 32 * 1024;
const RESERVED_BYTES = 1024;
const MAX_HEADERS = 4096;
const MAX_NAME_CHARS = 100;
/** Limit of the index page, in bytes, without the frame around its rows and with the requested host in each link. */
const MAX_INDEX_BYTES = MAX_HEAD_BYTES - 1024;
const ASKED_HOST = '%[req.hdr(host)]';
const MAX_ASKED_BYTES = 262;
/** The Host without its port, which is that of plain HTTP. */
const ASKED_NAME = "%[req.hdr(host),regsub(':[0-9]*$','')]";
const HOST = '^[A-Za-z0-9._-]{1,255}(:[0-9]{0,5})?$|^\\[[0-9A-Fa-f:.]{2,45}\\](:[0-9]{0,5})?$';

/** Renders HAProxy's configuration for these routes. */
export function renderHaproxy(settings: RouterSettings, sections: readonly Section[], files: HaproxyFiles): string {
  return [
    ...block('global', [
      `stats socket ${quote(files.socket)} mode 600 level admin expose-fd listeners`,
      'hard-stop-after 30s',
      `tune.bufsize ${MAX_HEAD_BYTES + RESERVED_BYTES}`,
      `tune.http.maxhdr ${MAX_HEADERS}`,
      'ssl-default-bind-options ssl-min-ver TLSv1.2',
      ...(settings.accessLog === '' ? [] : ['log stdout format raw daemon']),
    ]),
    ...block('defaults', defaults(settings)),
    ...block('frontend http', frontend(settings, sections, files)),
    ...block('backend nothing-here', [
      'http-request return status 404 content-type text/plain string "Nothing of that host is routed below that path.\\n"',
    ]),
    ...block('backend index', [
      ...(settings.index
        ? [`http-request return status 200 content-type ${HTML} lf-file ${quote(files.index)} if { path / }`]
        : []),
      `http-request return status 404 content-type ${HTML} lf-file ${quote(files.index)}`,
    ]),
    ...sections.flatMap((section) => block(`backend ${section.name}`, backend(section))),
  ].join('\n');
}

/**
 * Renders the index page in HAProxy's log format, which inserts the requested host into the links. HAProxy refuses a
 * page larger than a buffer: routes without room are only counted.
 */
export function renderIndex(routes: readonly Route[]): string {
  const rows: string[] = [];
  let room = MAX_INDEX_BYTES;
  for (const route of routes) {
    const row = indexRow(route);
    room -= Buffer.byteLength(row) + (row.includes(ASKED_HOST) ? MAX_ASKED_BYTES : 0) + 1;
    if (room < 0) break;
    rows.push(row);
  }
  const left = routes.length - rows.length;
  const more = left > 0 ? `<p>And ${left} more: fleetctl router routes.</p>\n` : '';
  const list = routes.length > 0 ? `<ul>\n${rows.join('\n')}\n</ul>` : '<p>No service is routed.</p>';
  return `<!doctype html>\n<meta charset="utf-8">\n<title>Services</title>\n<h1>Services</h1>\n${list}\n${more}`;
}

function indexRow({ host, path, service }: Route): string {
  const shown = plain(`${host}${path === '/' ? '' : path}`);
  const about = plain(nameOf(service));
  const linked = host.endsWith('.*') ? `${shown.replace('.*', `.${ASKED_HOST}`)}` : shown;
  return host.startsWith('*.')
    ? `<li>${shown} – ${about}</li>`
    : `<li><a href="//${linked}">${shown}</a> – ${about}</li>`;
}

/** Returns a service's name fit for display; HAProxy ends a text at a NUL. */
function nameOf(service: string): string {
  return shownCell(service).slice(0, MAX_NAME_CHARS);
}

/** Escapes text for HTML and for HAProxy's log format. */
function plain(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`).replaceAll('%', '%%');
}

function defaults(settings: RouterSettings): string[] {
  const { answerTimeoutMs, connectTimeoutMs, clientTimeoutMs, maxFailures, restMs } = settings;
  return [
    'mode http',
    'balance leastconn',
    'option http-keep-alive',
    'option http-no-delay',
    'option forwardfor',
    'option abortonclose',
    // Never HTTP/2, not even for a client that sends its preface unasked.
    'option disable-h2-upgrade',
    'option redispatch 1',
    'retries 2',
    'retry-on conn-failure empty-response response-timeout',
    `timeout connect ${connectTimeoutMs}`,
    `timeout server ${answerTimeoutMs}`,
    `timeout client ${Math.max(clientTimeoutMs, answerTimeoutMs)}`,
    `timeout http-request ${clientTimeoutMs}`,
    'timeout http-keep-alive 75s',
    'timeout tunnel 24h',
    `default-server check inter ${restMs} fall ${maxFailures} rise 1 observe layer4 error-limit ${maxFailures} on-error mark-down`,
    ...(settings.accessLog === '' ? [] : ['log global', 'option httplog']),
  ];
}

function frontend(settings: RouterSettings, sections: readonly Section[], files: HaproxyFiles): string[] {
  const proxy = settings.proxyProtocol ? ' accept-proxy' : '';
  const strict = files.hasCertificates ? '' : ' strict-sni';
  const tls = ` ssl crt ${quote(settings.certificates)}${strict} alpn http/1.1`;
  const redirects = settings.redirectToTls && settings.listenTls.length > 0;
  return [
    ...settings.listen.map((address) => `bind ${addressOf(address)}${proxy}`),
    ...settings.listenTls.map((address) => `bind ${addressOf(address)}${proxy}${tls}`),
    'http-request deny deny_status 405 if METH_CONNECT',
    // HAProxy forwards a Content-Length of 2^64 but reads it as none: the backend would take the next clients' requests
    // for the body.
    'http-request deny deny_status 400 if { req.hdr(content-length) -m len 19: }',
    `http-request return status 200 content-type text/plain string "ok\\n" if { path ${HEALTH_PATH} }`,
    // HAProxy itself refuses two Host headers that differ, and drops one of two equal ones.
    `http-request deny deny_status 400 unless { req.hdr(host) -m reg '${HOST}' } or HTTP_1.0 !{ req.hdr(host) -m found }`,
    ...(redirects ? [`http-request redirect code 308 location https://${ASKED_NAME}%[pathq] unless { ssl_fc }`] : []),
    // Requests inside an h2c connection would bypass routing and access control.
    'http-request del-header upgrade if { req.hdr(upgrade) -m reg -i ^h2c?$ }',
    `http-request del-header ${quote(DROPPED)} -m reg`,
    'http-request set-header X-Forwarded-Host %[req.hdr(host)]',
    `http-request set-header X-Forwarded-Proto ${settings.listenTls.length > 0 ? '%[ssl_fc,iif(https,http)]' : 'http'}`,
    'http-request set-header X-Real-IP %[src]',
    "http-request set-var(txn.host) req.hdr(host),lower,regsub(':[0-9]*$',''),regsub('[.]$','')",
    ...inOrder(sections).flatMap(useSection),
    'default_backend index',
  ];
}

/** In the order in which HAProxy must look at them: of each host the longer path first. */
function inOrder(sections: readonly Section[]): Section[] {
  return [...sections].sort(({ route: a }, { route: b }) => compareHosts(a, b) || b.path.length - a.path.length);
}

function useSection({ name, route }: Section, index: number, all: readonly Section[]): string[] {
  const { host, path } = route;
  const isHost = `{ var(txn.host) ${hostMatch(host)} }`;
  const uses =
    path === '/'
      ? [`use_backend ${name} if ${isHost}`]
      : [
          ...(path.endsWith('/') ? [] : [`use_backend ${name} if ${isHost} { path -m str ${quote(path)} }`]),
          `use_backend ${name} if ${isHost} { path -m beg ${quote(path.replace(/\/?$/, '/'))} }`,
        ];
  const isLast = all[index + 1]?.route.host !== host;
  return isLast && path !== '/' ? [...uses, `use_backend nothing-here if ${isHost}`] : uses;
}

function hostMatch(host: string): string {
  if (host.endsWith('.*')) return `-m beg ${host.slice(0, -1)}`;
  if (host.startsWith('*.')) return `-m reg '^[^.]+${host.slice(1).replaceAll('.', '\\.')}$'`;
  return `-m str ${host}`;
}

function backend({ route, slots }: Section): string[] {
  const sentence = (status: number, text: string, more = '') =>
    `http-error status ${status} content-type text/plain string ${quote(`${text}\n`)}${more}`;
  const name = nameOf(route.service);
  return [
    // The backend may have carried out a request whose response is missing.
    'http-request disable-l7-retry unless { method GET HEAD OPTIONS PUT DELETE TRACE }',
    sentence(502, `${name} could not be reached.`),
    sentence(503, `No instance of ${name} is healthy.`, ` hdr Retry-After ${RETRY_AFTER_S}`),
    sentence(504, `${name} did not answer in time.`),
    ...slots.map((slot, index) => `server s${index} ${slot ? serverOf(slot) : '127.0.0.1:1 disabled'}`),
  ];
}

function serverOf(slot: Backend): string {
  return `${addressOf({ host: slot.address, port: slot.port })} weight ${slot.weight}`;
}

function addressOf({ host, port }: ListenAddress): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}

function block(title: string, lines: readonly string[]): string[] {
  return [title, ...lines.map((line) => `    ${line}`), ''];
}

/** Quotes one word of HAProxy's configuration, whatever the text contains; control characters become escapes. */
function quote(text: string): string {
  const code = (character: string) => `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`;
  return `"${text.replace(/["\\$]/g, '\\$&').replace(/[\x00-\x1f\x7f]/g, code)}"`;
}
