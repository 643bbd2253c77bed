import type { Backend, Route, RouteTable } from './route-table.ts';

const HEADERS: readonly string[] = [
  'proxy_http_version 1.1;',
  'proxy_set_header Host $http_host;',
  'proxy_set_header X-Forwarded-Host $http_host;',
  'proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;',
  'proxy_set_header X-Forwarded-Proto $scheme;',
  'proxy_set_header X-Real-IP $remote_addr;',
  'proxy_set_header Upgrade $http_upgrade;',
  'proxy_set_header Connection $flotilla_connection;',
];

/**
 * The routes as a file for nginx's conf.d: one upstream and its locations for each route. `*.example.com` takes any number
 * of labels there. A route without backends answers 503, since nginx refuses an upstream without servers.
 */
export function renderNginx({ routes: all, revision }: RouteTable): string {
  // nginx chooses by the host alone: a route that yields would go before others.
  const routes = all.filter(({ yields }) => !yields);
  const hosts = new Map<string, Route[]>();
  for (const route of routes) hosts.set(route.host, [...(hosts.get(route.host) ?? []), route]);
  const names = new Map(routes.map((route, index) => [route, `flotilla_${index}`]));
  return [
    `# Routes of revision ${revision}, made by fleetctl router render nginx.`,
    'map $http_upgrade $flotilla_connection {',
    '    default upgrade;',
    "    '' '';",
    '}',
    ...routes.filter(({ backends }) => backends.length > 0).flatMap((route) => upstream(names.get(route)!, route)),
    ...[...hosts].flatMap(([host, ofHost]) => server(host, ofHost, names)),
    '',
  ].join('\n');
}

function upstream(name: string, { service, backends }: Route): string[] {
  const servers = backends.map(
    (backend) => `    server ${addressOf(backend)} weight=${backend.weight} max_fails=3 fail_timeout=60s;`,
  );
  return ['', `# ${service}`, `upstream ${name} {`, '    least_conn;', ...servers, '    keepalive 64;', '}'];
}

function server(host: string, routes: readonly Route[], names: ReadonlyMap<Route, string>): string[] {
  const locations = routes.flatMap((route) =>
    // Whole segments only: `/api` and what is below it.
    (route.path.endsWith('/') ? [quote(route.path)] : [`= ${quote(route.path)}`, quote(`${route.path}/`)]).flatMap(
      (place) => location(place, route, names.get(route)!),
    ),
  );
  const limits = ['client_max_body_size 0;', 'proxy_request_buffering off;', 'proxy_buffering off;'];
  const head = ['listen 80;', `server_name ${host};`, ...limits].map((line) => `    ${line}`);
  return ['', 'server {', ...head, ...locations, '}'];
}

function location(place: string, { backends }: Route, name: string): string[] {
  const lines =
    backends.length === 0
      ? ['return 503;']
      : [`proxy_pass http://${name};`, ...HEADERS, 'proxy_next_upstream error timeout;', 'proxy_connect_timeout 3s;'];
  return [`    location ${place} {`, ...lines.map((line) => `        ${line}`), '    }'];
}

/** A path may hold what ends a directive or opens a block; within quotes nginx takes it for what it is. */
function quote(path: string): string {
  return `"${path.replace(/["\\]/g, '\\$&')}"`;
}

function addressOf({ address, port }: Backend): string {
  return `${address.includes(':') ? `[${address}]` : address}:${port}`;
}
