import { isIP } from 'node:net';
import { shownCell } from '../lib/index.ts';
import { HEALTH_PATH, RETRY_AFTER_S } from './data-plane.ts';
import type { Backend, Route, RouteTable } from './route-table.ts';
import { spellingsOf, UNTRUSTED_HEADERS } from './untrusted-headers.ts';

/** Longer names do not fit into the tables in which nginx looks names up, unless nginx.conf enlarges them. */
const LONGEST_HASHED_NAME = 46;
/** nginx takes no line for a comment that is as long as its buffer of 4,096 bytes. */
const MAX_COMMENT_CHARS = 200;
/** What the router takes for the host of a request, in the words of PCRE. */
const HOST = '^(?:\\[[0-9a-f:.]{2,45}\\]|[\\w.-]{1,255})(?::[0-9]{0,5})?$';

/** Routes of one host. */
type OfHost = readonly [Route, ...Route[]];

const MAPS: readonly string[] = [
  // HTTP/2 is not spoken past the router.
  'map $http_upgrade $flotilla_upgrade {',
  '    default $http_upgrade;',
  '    "~*^h2c?$" "";',
  '}',
  'map $flotilla_upgrade $flotilla_connection {',
  '    default upgrade;',
  '    "" "";',
  '}',
  // A host in the request line goes before the header (RFC 9112, 3.2.2).
  'map $request $flotilla_host {',
  '    default $http_host;',
  `    ${quote('~*^\\S+ https?://(?<flotilla_authority>[^/?# ]+)')} $flotilla_authority;`,
  '}',
];

/** Stated by the router; the others of the untrusted headers are stated by nobody. */
const STATED: Readonly<Record<string, string>> = {
  'x-forwarded-for': '$proxy_add_x_forwarded_for',
  'x-forwarded-host': '$flotilla_host',
  'x-forwarded-proto': '$scheme',
  'x-real-ip': '$remote_addr',
};
/** About one connection (RFC 9110, 7.6.1), and not dropped by nginx itself. */
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
  // A backend could otherwise send its client elsewhere within this nginx.
  'proxy_ignore_headers X-Accel-Redirect X-Accel-Limit-Rate X-Accel-Charset X-Accel-Buffering X-Accel-Expires;',
  'proxy_set_header Host $flotilla_host;',
  'proxy_set_header Upgrade $flotilla_upgrade;',
  'proxy_set_header Connection $flotilla_connection;',
  ...[...UNTRUSTED_HEADERS, ...HOP_BY_HOP].map(setHeader),
];

/**
 * The routes as a file for nginx's conf.d, which sends each request where the router would: one upstream for each route
 * and one server for each host. Whatever is in the table, nginx starts with it: backends whose address is a host name are
 * left out, since nginx ends at a name that it does not find.
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

/** The header as the router states it, and no other spelling of it. */
function setHeader(name: string): string {
  const [whole, ...others] = spellingsOf(name);
  const stated = `proxy_set_header ${whole} ${STATED[name] ?? '""'};`;
  return [stated, ...others.map((spelling) => `proxy_set_header ${spelling} "";`)].join(' ');
}

/**
 * The whole host before `*.rest`, that before `NAME.*`, of these the longer first, and what yields behind all others: nginx
 * takes the first that matches.
 */
function inOrder(routes: readonly Route[]): OfHost[] {
  const kind = (host: string) => (host.endsWith('.*') ? 2 : host.startsWith('*.') ? 1 : 0);
  const hosts = [...Map.groupBy(routes, ({ host }) => host).values()] as [Route, ...Route[]][];
  return hosts.sort(([a], [b]) => {
    if (a.yields !== b.yields) return a.yields ? 1 : -1;
    return kind(a.host) - kind(b.host) || b.host.length - a.host.length || (a.host < b.host ? -1 : 1);
  });
}

/**
 * nginx finds names and `NAME.*` in a table, and in expressions one after the other. Its own `*.rest` takes any number of
 * labels: that one must be an expression, and so must whatever comes after it.
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
  // Silent connections are closed before the backend does so, five seconds being usual: no request may meet that.
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
  // The path as the client wrote it: a location would match it decoded and tidied up.
  const map = ['', `map $request_uri ${variable} {`, ...indent([`default ${target};`, ...rows]), '}'];
  return [...map, ...server(name, handle(variable, [target, ...routes.map((route) => names.get(route)!)]))];
}

/** Whole segments only: `/api` and what is below it. */
function pathPattern(path: string): string {
  const literal = path.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
  return path.endsWith('/') ? literal : `${literal}(?:[/?]|$)`;
}

/** Writes the lines that pass a request to the upstream which `target` names, or refuse it where that is `down` or `nothing`; `all` are its possible values. */
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

/** The words behind `location /` which send a request on, and the place for those that ask for another protocol. */
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
  // nginx has one time for a response to begin and for a connection to be silent: a WebSocket may be so for long.
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

/** One line, whatever is in the text. */
function comment(text: string): string {
  return `# ${shownCell(text).slice(0, MAX_COMMENT_CHARS)}`;
}

/** One word of nginx's configuration: what ends a directive or opens a block is taken for what it is. */
function quote(text: string): string {
  return `"${text.replace(/["\\]/g, '\\$&')}"`;
}

function addressOf({ address, port }: Backend): string {
  return `${address.includes(':') ? `[${address}]` : address}:${port}`;
}
