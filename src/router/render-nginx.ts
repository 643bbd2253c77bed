import { isIP } from 'node:net';
import { shownCell } from '../lib/index.ts';
import { HEALTH_PATH, RETRY_AFTER_S } from './data-plane.ts';
import { compareHosts } from './route-order.ts';
import type { Backend, Route, RouteTable } from './route-table.ts';
import { spellingsOf, UNTRUSTED_HEADERS } from './untrusted-headers.ts';

/** nginx looks names up in a hash table, whose buckets hold no longer names unless nginx.conf enlarges them. */
const LONGEST_HASHED_NAME = 46;
/** nginx refuses a line, comments included, as long as its buffer of 4,096 bytes. */
const MAX_COMMENT_CHARS = 200;
/** A valid Host as the router defines it (request-target.ts), as a PCRE. */
const HOST = '^(?:\\[[0-9a-f:.]{2,45}\\]|[\\w.-]{1,255})(?::[0-9]{0,5})?$';

/** The routes of one host. */
type OfHost = readonly [Route, ...Route[]];

const MAPS: readonly string[] = [
  // The router does not speak HTTP/2, so h2c is not passed on.
  'map $http_upgrade $flotilla_upgrade {',
  '    default $http_upgrade;',
  '    "~*^h2c?$" "";',
  '}',
  'map $flotilla_upgrade $flotilla_connection {',
  '    default upgrade;',
  '    "" "";',
  '}',
  // A host in the request line takes precedence over the header (RFC 9112 §3.2.2).
  'map $request $flotilla_host {',
  '    default $http_host;',
  `    ${quote('~*^\\S+ https?://(?<flotilla_authority>[^/?# ]+)')} $flotilla_authority;`,
  '}',
];

/** Untrusted headers that the router sets itself; all others are removed. */
const STATED: Readonly<Record<string, string>> = {
  'x-forwarded-for': '$proxy_add_x_forwarded_for',
  'x-forwarded-host': '$flotilla_host',
  'x-forwarded-proto': '$scheme',
  'x-real-ip': '$remote_addr',
};
/** Hop-by-hop headers (RFC 9110 §7.6.1) that nginx does not remove by itself. */
const HOP_BY_HOP = ['http2-settings', 'proxy-authorization', 'proxy-connection', 'trailer'];

const SETTINGS: readonly string[] = [
  'default_type text/plain;',
  'large_client_header_buffers 4 32k;',
  'client_max_body_size 0;',
  'proxy_http_version 1.1;',
  'proxy_request_buffering off;',
  'proxy_buffering off;',
  'proxy_buffer_size 64k;',
  'proxy_buffers 4 64k;',
  'proxy_connect_timeout 1500ms;',
  'proxy_next_upstream error timeout;',
  'proxy_next_upstream_tries 3;',
  'proxy_next_upstream_timeout 60s;',
  'proxy_intercept_errors off;',
  'proxy_redirect off;',
  // Otherwise a backend could redirect its client within this nginx.
  'proxy_ignore_headers X-Accel-Redirect X-Accel-Limit-Rate X-Accel-Charset X-Accel-Buffering X-Accel-Expires;',
  'proxy_set_header Host $flotilla_host;',
  'proxy_set_header Upgrade $flotilla_upgrade;',
  'proxy_set_header Connection $flotilla_connection;',
  ...[...UNTRUSTED_HEADERS, ...HOP_BY_HOP].map(setHeader),
];

/**
 * Renders the routes as a file for nginx's conf.d that sends each request where the router would: one upstream for each
 * route, one server for each host. nginx starts with any table: backends with a host name are left out, since nginx
 * ends at a name that it cannot resolve.
 */
export function renderNginx({ routes: all, revision }: RouteTable): string {
  const known = new Set(all.filter(({ yields }) => !yields).map(({ host }) => host));
  const routes = all.filter(({ host, yields }) => !yields || !known.has(host));
  const names = new Map(routes.map((route, index) => [route, hasServers(route) ? `flotilla_${index}` : 'down']));
  const hosts = inOrder(routes);
  const mustMatch = hosts.some(
    ([{ host, yields }]) => host.startsWith('*.') || host.length > LONGEST_HASHED_NAME || yields,
  );
  return [
    `# Routes of revision ${revision}, made by fleetctl router render nginx. The first server takes requests for hosts that`,
    '# no service has, unless a server of another file comes first or is called default_server.',
    ...MAPS,
    ...server('""', ['return 404 "No service is routed at this host.\\n";']),
    ...routes.flatMap((route) => upstream(names.get(route)!, route)),
    ...hosts.flatMap((ofHost, index) => serverOf(serverName(ofHost[0], mustMatch), ofHost, { names, index })),
    '',
  ].join('\n');
}

/** Sets the header as the router does, and removes its other spellings. */
function setHeader(name: string): string {
  const [whole, ...others] = spellingsOf(name);
  const stated = `proxy_set_header ${whole} ${STATED[name] ?? '""'};`;
  return [stated, ...others.map((spelling) => `proxy_set_header ${spelling} "";`)].join(' ');
}

/** One list of routes for each host, in the order in which nginx must look at them: it takes the first that matches. */
function inOrder(routes: readonly Route[]): OfHost[] {
  const hosts = [...Map.groupBy(routes, ({ host }) => host).values()] as [Route, ...Route[]][];
  return hosts.sort(([a], [b]) => compareHosts(a, b));
}

/**
 * nginx matches exact names and `NAME.*` by hash table, and regular expressions in order. Its own `*.rest` matches any
 * number of labels, so that ours must be an expression, and so must every name behind it.
 */
function serverName({ host, yields }: Route, mustMatch: boolean): string {
  const literal = host.replace('*', '').replaceAll('.', '\\.');
  if (host.startsWith('*.')) return quote(`~^[^.]+${literal}$`);
  if (host.endsWith('.*')) return mustMatch ? quote(`~^${literal}`) : host;
  return host.length > LONGEST_HASHED_NAME || yields ? quote(`~^${literal}$`) : host;
}

function hasServers({ backends }: Route): boolean {
  return backends.some(isNumeric);
}

function isNumeric({ address }: Backend): boolean {
  return isIP(address) !== 0;
}

function upstream(name: string, route: Route): string[] {
  const { service, host, path, backends } = route;
  const leftOut = backends
    .filter((backend) => !isNumeric(backend))
    .map(({ address, port }) => comment(`${address}:${port} is left out: it is a host name, which nginx may not find`));
  const about = ['', comment(`${service} at ${host}${path}`), ...leftOut];
  if (!hasServers(route)) return about;
  const servers = backends
    .filter(isNumeric)
    .map((backend) => `server ${addressOf(backend)} weight=${backend.weight} max_fails=3 fail_timeout=60s;`);
  // Close idle connections before backends do, usually after five seconds: a request sent then would be lost.
  const lines = ['least_conn;', ...servers, 'keepalive 64;', 'keepalive_timeout 4s;'];
  return [...about, `upstream ${name} {`, ...indent(lines), '}'];
}

function serverOf(
  name: string,
  routes: OfHost,
  { names, index }: { readonly names: ReadonlyMap<Route, string>; readonly index: number },
): string[] {
  const [first] = routes;
  const only = names.get(first)!;
  if (routes.length === 1 && first.path === '/') return server(name, handle(only, [only]));
  const variable = `$flotilla_paths_${index}`;
  const root = routes.find(({ path }) => path === '/');
  const rows = routes
    .filter(({ path }) => path !== '/')
    .sort((a, b) => b.path.length - a.path.length)
    .map((route) => `${quote(`~^${pathPattern(route.path)}`)} ${names.get(route)};`);
  const target = root === undefined ? 'nothing' : names.get(root)!;
  // Match the path as the client wrote it: `location` would match it decoded and normalised.
  const map = ['', `map $request_uri ${variable} {`, ...indent([`default ${target};`, ...rows]), '}'];
  return [...map, ...server(name, handle(variable, [target, ...routes.map((route) => names.get(route)!)]))];
}

/** Matches whole segments: `/api` and everything below it. */
function pathPattern(path: string): string {
  const literal = path.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
  return path.endsWith('/') ? literal : `${literal}(?:[/?]|$)`;
}

/**
 * Writes the lines that pass a request to the upstream in `target`, or refuse it if that is `down` or `nothing`; `all`
 * are its possible values.
 */
function handle(target: string, all: readonly string[]): string[] {
  const isVariable = target.startsWith('$');
  const when = (value: string, lines: readonly string[]) => {
    if (!all.includes(value)) return [];
    return isVariable ? [`if (${target} = ${value}) {`, ...indent(lines), '}'] : lines;
  };
  const nothing = ['return 404 "Nothing of that host is routed below that path.\\n";'];
  const down = [
    `add_header Retry-After ${RETRY_AFTER_S} always;`,
    'return 503 "No instance of the service is healthy.\\n";',
  ];
  const valid = `if ($flotilla_host !~* ${quote(HOST)}) {`;
  const refuse = [valid, ...indent(['return 400 "The request names no host, or not a single valid one.\\n";']), '}'];
  const elsewhere = [...refuse, ...when('nothing', nothing), ...when('down', down)];
  return all.some((value) => value.startsWith('flotilla_')) ? [...elsewhere, ...proxy(target)] : elsewhere;
}

/** Writes the block `location /` that proxies requests, and a location for upgraded connections. */
function proxy(target: string): string[] {
  return [
    `error_page 418 = @flotilla_tunnel;`,
    'if ($flotilla_upgrade) {',
    '    return 418;',
    '}',
    `proxy_pass http://${target};`,
  ];
}

function server(name: string, lines: readonly string[]): string[] {
  const pass = lines.find((line) => line.startsWith('proxy_pass '));
  const patience = ['proxy_read_timeout 24h;', 'proxy_send_timeout 24h;'];
  // nginx has one timeout for the response to begin and for silence on a connection; a WebSocket needs a longer one.
  const tunnel = pass === undefined ? [] : block('location @flotilla_tunnel', [pass, ...patience]);
  const body = [
    'listen 80;',
    `server_name ${name};`,
    ...SETTINGS,
    ...block(`location = ${HEALTH_PATH}`, ['return 200 "ok\\n";']),
    ...block('location /', lines),
    ...tunnel,
  ];
  return ['', ...block('server', body)];
}

function block(title: string, lines: readonly string[]): string[] {
  return [`${title} {`, ...indent(lines), '}'];
}

function indent(lines: readonly string[]): string[] {
  return lines.map((line) => `    ${line}`);
}

/** Writes a comment of one line, whatever the text contains. */
function comment(text: string): string {
  return `# ${shownCell(text).slice(0, MAX_COMMENT_CHARS)}`;
}

/** Quotes one word of nginx's configuration, so that no character in it ends a directive or opens a block. */
function quote(text: string): string {
  return `"${text.replace(/["\\]/g, '\\$&')}"`;
}

function addressOf({ address, port }: Backend): string {
  return `${address.includes(':') ? `[${address}]` : address}:${port}`;
}
