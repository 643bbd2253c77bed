import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { isIP } from 'node:net';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import fc from 'fast-check';
import { systemClock as clock } from '../../src/lib/index.ts';
import { buildRoutes } from '../../src/router/build-routes.ts';
import { checkConfiguration } from '../../src/router/haproxy/haproxy-process.ts';
import { openHaproxyPlane } from '../../src/router/haproxy/index.ts';
import { renderHaproxy, renderIndex } from '../../src/router/haproxy/render-haproxy.ts';
import { assignSlots } from '../../src/router/haproxy/slots.ts';
import { NO_ROUTES, type RouteTable } from '../../src/router/index.ts';
import { RouteIndex } from '../../src/router/route-index.ts';
import { SETTINGS } from '../../src/router/test-router.ts';
import type { CatalogInstance, CatalogSnapshot, RouteRule } from '../../src/services/index.ts';
import { ask, closedPort, testLog as log, startBackend, temporary } from '../contract/data-plane-harness.ts';
import { NginxPlane, noNginx } from '../contract/nginx.ts';
import { fuzz } from './fuzz.ts';

const noHaproxy = spawnSync('haproxy', ['-v']).status === 0 ? false : 'haproxy is not installed (apt install haproxy)';
const skip = noNginx || noHaproxy;

/** Few words, so that names and hosts meet each other. */
const WORDS = ['a', 'b', 'web', 'a-b', '_x', '1', 'map', 'default', 'include', 'x'.repeat(60)];
const name = fc.array(fc.constantFrom(...WORDS), { minLength: 1, maxLength: 3 }).map((labels) => labels.join('.'));
const longName = fc.constant(Array.from({ length: 4 }, () => 'y'.repeat(60)).join('.'));
const host = fc.oneof(
  { weight: 4, arbitrary: name },
  { weight: 3, arbitrary: name.map((text) => `*.${text}`) },
  { weight: 3, arbitrary: name.map((text) => `${text}.*`) },
  { weight: 1, arbitrary: longName },
);
const piece = fc.oneof(
  fc.constantFrom(
    'api',
    'a',
    '%2F',
    '%41',
    '$host',
    '~',
    '(a',
    '.*',
    "it's",
    ';',
    '+',
    'x=1',
    '@b',
    '*',
    '-',
    ':',
    '!',
    '$',
  ),
  fc.stringMatching(/^[\w~!$&'()*+,;=:@-]{1,6}$/),
);
const route = fc
  .tuple(fc.array(piece, { maxLength: 3 }), fc.boolean())
  .map(([pieces, ended]) => `/${pieces.join('/')}${ended && pieces.length > 0 ? '/' : ''}`);
const longPath = fc.constantFrom(`/${'.'.repeat(1023)}`, `/${'$'.repeat(1023)}`, `/${'/a'.repeat(511)}`);
const rule: fc.Arbitrary<RouteRule> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ host, path: route }) },
  { weight: 2, arbitrary: fc.record({ host }) },
  { weight: 1, arbitrary: fc.record({ path: route }) },
);
const service = fc.record({
  name: fc.oneof(
    name,
    fc.constantFrom('a\nb {', '"', "'; }", '$host', '\\', '# x', '%[src]', '\u2028', 'ü', '%', 'z'.repeat(5000)),
    fc.string({ unit: 'binary', minLength: 1, maxLength: 20 }),
  ),
  isTagged: fc.boolean(),
  rules: fc.array(rule, { maxLength: 4 }),
  instances: fc.array(
    fc.record({
      address: fc.constantFrom('127.0.0.1', 'nowhere.invalid', 'No-Where.'),
      weight: fc.oneof(fc.constantFrom(1, 256, 257, 65_535, 0.5, -1, 1e300), fc.nat()),
    }),
    { minLength: 1, maxLength: 3 },
  ),
});
const services = fc.uniqueArray(service, { selector: (one) => one.name, minLength: 1, maxLength: 6 });

type Service = typeof service extends fc.Arbitrary<infer T> ? T : never;

/** The routes of these services as any machine has them; `portOf` tells the port of the service at an index. */
function tableOf(given: readonly Service[], portOf: (index: number) => number): RouteTable {
  const instances = given.map(({ name, isTagged, rules, instances }, index) =>
    instances.map(
      ({ address, weight }, at): CatalogInstance => ({
        machine: 'm1',
        id: `${index}-${at}`,
        name,
        address,
        port: portOf(index),
        tags: isTagged ? ['http'] : [],
        meta: {},
        weights: { passing: weight, warning: 1 },
        enableTagOverride: false,
        source: 'unit',
        routes: rules,
        checks: [],
        createRevision: 1,
        modifyRevision: 1,
      }),
    ),
  );
  const snapshot: CatalogSnapshot = {
    revision: 1,
    nodes: new Map(),
    services: new Map(given.map(({ name }, index) => [name, instances[index]!])),
    nodeChecksOf: () => [],
    revisionOf: () => 1,
    revisionOfNode: () => 1,
  };
  return buildRoutes(snapshot);
}

test('nginx and HAProxy take whatever is routed', { skip }, async (t) => {
  const nginx = await NginxPlane.open(t);
  const directory = temporary(t);
  const file = path.join(directory, 'haproxy.cfg');
  const settings = { ...SETTINGS, listen: [{ host: '127.0.0.1', port: 80 }] };
  const files = {
    socket: path.join(directory, 'socket'),
    index: path.join(directory, 'index.html'),
    hasCertificates: false,
  };
  const withLongPath = fc.tuple(services, longPath).map(([given, at]) => [
    ...given,
    {
      name: 'long',
      isTagged: true,
      rules: [{ path: at }, { host: '*.long', path: at }],
      instances: given[0]!.instances,
    },
  ]);
  await fuzz(
    withLongPath,
    async (given) => {
      const table = tableOf(given, (index) => 8000 + index);
      assert.equal(nginx.complaint(table), '');
      writeFileSync(files.index, renderIndex(table.routes));
      writeFileSync(file, renderHaproxy(settings, assignSlots(table.routes, []), files));
      await checkConfiguration(file);
    },
    { runs: 12 },
  );
});

/** Requests that hit and miss a route, and some that nothing is for. */
function requestsFor({ routes }: RouteTable): { readonly host: string; readonly path: string }[] {
  const hosts = new Set(['nobody.invalid', 'a.web', 'WEB.a.b:8080']);
  const paths = new Set(['/', '/other']);
  for (const route of routes) {
    for (const label of ['any', 'web', 'a.b']) hosts.add(route.host.replace('*', label));
    hosts.add(`${route.host.replace('*', 'x')}.`);
    for (const more of ['', '/', '/x', 'x', '?q=/api']) paths.add(route.path + more);
  }
  return [...hosts].flatMap((asked) => [...paths].map((at) => ({ host: asked, path: at })));
}

/** What the router process does with a request: the number of a service, or the status of a refusal. */
function expected({ routes }: RouteTable, asked: { readonly host: string; readonly path: string }): string {
  const name = asked.host.toLowerCase().replace(/:\d*$/, '').replace(/\.$/, '');
  const { route } = new RouteIndex(routes).find(name, asked.path);
  if (route === undefined) return '404';
  const [backend] = route.backends.filter(({ address }) => isIP(address) !== 0);
  return backend === undefined ? '503' : backend.id.replace(/^m1\/(\d+)-.*$/, 'service $1');
}

async function startServices(t: TestContext): Promise<number[]> {
  const started = Array.from({ length: 6 }, async (_, index) => {
    const { server } = await startBackend(t, `${index}`, (_request, response) => response.end(`service ${index}`));
    return (server.address() as AddressInfo).port;
  });
  return Promise.all(started);
}

test('nginx and HAProxy route as the router process does', { skip }, async (t) => {
  const ports = await startServices(t);
  const nginx = await NginxPlane.open(t);
  const listen = [{ host: '127.0.0.1', port: await closedPort() }];
  const settings = { ...SETTINGS, plane: 'haproxy', listen } as const;
  const options = { settings, table: NO_ROUTES, directory: temporary(t), clock, log, onEnd: () => {} };
  const haproxy = await openHaproxyPlane(options);
  t.after(() => haproxy.close(0));
  await fuzz(
    fc.tuple(services, fc.infiniteStream(fc.nat())),
    async ([given, numbers]) => {
      const table = tableOf(given, (index) => ports[index]!);
      await Promise.all([nginx.use(table), haproxy.use(table)]);
      const all = requestsFor(table);
      for (const number of numbers.take(25)) {
        const asked = all[number % all.length]!;
        for (const [plane, port] of [
          ['nginx', nginx.port],
          ['HAProxy', listen[0]!.port],
        ] as const) {
          const { status, body } = await ask(port, { path: asked.path, headers: { host: asked.host } });
          const got = status === 200 ? body : String(status);
          assert.equal(got, expected(table, asked), `${plane}: ${JSON.stringify(asked)}`);
        }
      }
    },
    { runs: 8 },
  );
});
