import type { ApiRouter, ApiRouterBackend } from '../../client/index.ts';
import { FlotillaError } from '../../lib/index.ts';
import type { CommandSpec, Subcommand } from '../command.ts';
import { type Context, sayJson, warn } from '../context.ts';
import { printRows } from '../list.ts';
import { FULL, NO_LEGEND, OUTPUT } from '../shared-flags.ts';
import { certificates } from './router-certificates.ts';

const TABLE = ['full', 'no-legend', 'output'];

const PARTS: readonly Subcommand[] = [
  {
    name: 'routes',
    usage: '[-o json]',
    about: 'Print hosts and paths, and the instances that share their requests',
    flags: TABLE,
    examples: [{ line: 'fleetctl router routes', about: 'Which host leads where' }],
  },
  {
    name: 'backends',
    usage: '[-o json]',
    about:
      'Print each instance as the router sees it: requests under way and so far, and whether it rests after failures',
    flags: TABLE,
    examples: [{ line: 'fleetctl router backends -o json', about: 'For a program' }],
  },
  {
    name: 'render',
    usage: 'nginx',
    about: "Print the routes as a file for nginx's conf.d",
    flags: [],
    examples: [{ line: 'fleetctl router render nginx > /etc/nginx/conf.d/services.conf', about: 'Let nginx do it' }],
  },
  {
    name: 'certificates',
    usage: '[add NAME FILE|remove NAME]',
    about:
      'Print the certificates in the store, their hosts and the day on which they expire; add NAME FILE stores one with its chain and key, all in one PEM file, in the place of the one of that name; remove NAME takes it away again',
    flags: TABLE,
    examples: [
      { line: 'fleetctl router certificates', about: 'What expires when' },
      { line: 'fleetctl router certificates add example.com example.com.pem', about: 'Serve https://example.com' },
    ],
  },
];

export const router: CommandSpec = {
  name: 'router',
  summary: 'Show where HTTP requests go, and keep the certificates for HTTPS',
  usage: 'routes|backends|render nginx|certificates [add NAME FILE|remove NAME]',
  about: `The routes are the same on all machines; backends are those of the machine that fleetctl talks to. Certificates are used by
every machine that takes HTTPS (router_listen_tls), from the next moment on; their keys go in, and never come out again.`,
  subcommands: PARTS,
  examples: [
    { line: 'fleetctl router routes', about: 'Which host leads where' },
    { line: 'fleetctl router backends -o json', about: 'For a program' },
    { line: 'fleetctl router render nginx > /etc/nginx/conf.d/services.conf', about: 'Let nginx do it' },
    { line: 'fleetctl router certificates add example.com example.com.pem', about: 'Serve https://example.com' },
    { line: 'fleetctl router certificates', about: 'What expires when' },
  ],
  flags: [FULL, NO_LEGEND, OUTPUT],
  arguments: ['routes', 'backends', 'certificates', 'add', 'remove', 'render', 'nginx'],
  run,
};

async function run(context: Context): Promise<number> {
  const [what, kind] = context.args;
  const client = await context.client();
  if (what === 'certificates') return certificates(context, client);
  if (what === 'routes' && context.args.length === 1) return showRoutes(context, await client.router());
  if (what === 'backends' && context.args.length === 1) return showBackends(context, await client.routerBackends());
  if (what === 'render' && kind === 'nginx' && context.args.length === 2) {
    const io = context.io.outIsTerminal() ? context.io : context.io.raw;
    io.out(await client.routerConfig(kind));
    return 0;
  }
  throw new FlotillaError('usage', 'say what to show: fleetctl router routes, backends, certificates or render nginx');
}

function showRoutes(context: Context, router: ApiRouter): number {
  if (context.flags.text('output') === 'json') {
    sayJson(context, router);
    return 0;
  }
  const rows = router.routes.map(({ host, path, service, backends }) => [
    host + (path === '/' ? '' : path),
    service,
    backends.map(({ address, port }) => `${address}:${port}`).join(' ') || '-',
  ]);
  printRows(context, ['HOST', 'SERVICE', 'BACKENDS'], rows);
  for (const { host, path, service, reason } of router.problems)
    warn(context, `${service} does not get ${JSON.stringify(host + path)}: ${reason}`);
  if (router.failure !== undefined) warn(context, `The router of this machine does not run: ${router.failure}`);
  return 0;
}

function showBackends(context: Context, backends: readonly ApiRouterBackend[]): number {
  if (context.flags.text('output') === 'json') {
    sayJson(context, backends);
    return 0;
  }
  const rows = backends.map((backend) => [
    backend.service,
    backend.id.replace(/^([0-9a-f]{8})[0-9a-f]*\//, '$1.../'),
    `${backend.address}:${backend.port}`,
    backend.state,
    ...[backend.active, backend.requests, backend.failures].map(String),
  ]);
  printRows(context, ['SERVICE', 'INSTANCE', 'ADDRESS', 'STATE', 'ACTIVE', 'REQUESTS', 'FAILURES'], rows);
  return 0;
}
