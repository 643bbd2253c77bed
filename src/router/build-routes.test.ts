import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { CatalogInstance, CatalogSnapshot } from '../services/index.ts';
import { buildRoutes } from './build-routes.ts';
import { RouteIndex } from './route-index.ts';
import type { Route } from './route-table.ts';

/** An instance of `name` on machine m1, tagged `http` by default. */
function instance(name: string, id: string, more: Partial<CatalogInstance> = {}): CatalogInstance {
  return {
    machine: 'm1',
    id,
    name,
    address: '10.0.0.1',
    port: 8080,
    tags: ['http'],
    meta: {},
    weights: { passing: 1, warning: 1 },
    enableTagOverride: false,
    source: 'unit',
    routes: [],
    checks: [],
    createRevision: 1,
    modifyRevision: 1,
    ...more,
  };
}

const check = (status: 'passing' | 'warning' | 'critical') => [
  { id: 'c', name: 'c', type: 'http', status, output: '', notes: '' },
];

function catalog(...instances: CatalogInstance[]): CatalogSnapshot {
  const services = new Map<string, CatalogInstance[]>();
  for (const item of instances) services.set(item.name, [...(services.get(item.name) ?? []), item]);
  const names = { id: 'm1', kind: 'machine', name: 'm1', uuid: 'm1' } as const;
  const node = { ...names, address: '10.0.0.9', meta: {}, createRevision: 1, modifyRevision: 1 };
  const [nodeChecksOf, revisionOf, revisionOfNode] = [() => [], () => 7, () => 7];
  return { revision: 7, nodes: new Map([['m1', node]]), services, nodeChecksOf, revisionOf, revisionOfNode };
}

const shown = (routes: readonly Route[]) =>
  routes.map(({ host, path, service, backends }) => `${host}${path} ${service} ${backends.map(({ id }) => id)}`);

test('a service tagged http answers by its name, others only where their rules say', () => {
  const { routes, problems, revision, machines } = buildRoutes(
    catalog(
      instance('web', 'a'),
      instance('web', 'b'),
      instance('db', 'c', { tags: ['sql'] }),
      instance('shop', 'd', { tags: [], routes: [{ host: 'www.shop.com' }, { host: '*.shop.com', path: '/pay' }] }),
      instance('blog', 'e', { routes: [{ host: 'blog.org' }] }),
      instance('api', 'f', { routes: [{ path: '/v1' }] }),
    ),
  );
  assert.deepEqual(shown(routes), [
    '*.shop.com/pay shop m1/d',
    'api.*/v1 api m1/f',
    'blog.*/ blog m1/e',
    'blog.org/ blog m1/e',
    'web.*/ web m1/a,m1/b',
    'www.shop.com/ shop m1/d',
  ]);
  assert.deepEqual([problems, revision, machines], [[], 7, ['m1']]);
});

test('what no request could be sent to is left out, whatever somebody registered', () => {
  const bad = ['10.0.0.300', '1.2.3.4.5', ':::', 'fe80::1%eth0', 'a:b', '%zz', 'x.0x', 'a..b', '-'].map((address, at) =>
    instance('web', `bad-${at}`, { address }),
  );
  const good = ['10.0.0.1', '::1', 'Db.example.com.'].map((address, at) => instance('web', `good-${at}`, { address }));
  const { routes } = buildRoutes(catalog(...bad, ...good, instance('web', 'no-port', { port: 0 })));
  assert.deepEqual(shown(routes), ['web.*/ web m1/good-0,m1/good-1,m1/good-2']);
});

test('critical instances get nothing, warned ones their weight, and a service whose all are critical keeps its route', () => {
  const { routes } = buildRoutes(
    catalog(
      instance('web', 'a', { checks: check('critical') }),
      instance('web', 'b', { checks: check('warning'), weights: { passing: 10, warning: 2 }, address: '' }),
      instance('down', 'c', { checks: check('critical') }),
    ),
  );
  assert.deepEqual(routes, [
    { host: 'down.*', path: '/', service: 'down', backends: [] },
    {
      host: 'web.*',
      path: '/',
      service: 'web',
      backends: [{ id: 'm1/b', machine: 'm1', address: '10.0.0.9', port: 8080, weight: 2 }],
    },
  ]);
});

test('weights are whole numbers that every plane takes, whatever stands in the catalog', () => {
  const weights = [0, -5, 2.6, 1e300, 65_535].map((passing, at) =>
    instance('web', `${at}`, { weights: { passing, warning: 1 } }),
  );
  const [web] = buildRoutes(catalog(...weights)).routes;
  assert.deepEqual(
    web!.backends.map(({ weight }) => weight),
    [1, 1, 3, 65_535, 65_535],
  );
});

test('of two services that claim one host the first by name has it, and the other is reported', () => {
  const rule = { routes: [{ host: 'www.example.com' }], tags: [] };
  const { routes, problems } = buildRoutes(catalog(instance('zoo', 'z', rule), instance('app', 'a', rule)));
  assert.deepEqual(shown(routes), ['www.example.com/ app m1/a']);
  const reason = 'app has that host and path already';
  assert.deepEqual(problems, [{ host: 'www.example.com', path: '/', service: 'zoo', reason }]);
});

test('names and rules that could be mistaken for something else are refused', () => {
  const names = ['evil.com\r\nx: y', 'a b', '../etc', '*', 'web"; }', '', 'x'.repeat(300), '-a', 'a..b'];
  const hosts = ['a.*.b', '*', '*.*', 'ex ample.com', 'a.com:80', '*.a.*', 'a.com/'];
  const paths = ['nope', '/a b', '/"', '/\n', '/{x}', `/${'x'.repeat(1024)}`];
  const { routes, problems } = buildRoutes(
    catalog(
      ...names.map((name, index) => instance(name, `n${index}`)),
      ...hosts.map((host, index) => instance(`h${index}`, 'h', { tags: [], routes: [{ host }] })),
      ...paths.map((path, index) => instance(`p${index}`, 'p', { tags: [], routes: [{ path }] })),
    ),
  );
  assert.deepEqual(shown(routes), []);
  assert.equal(problems.length, names.length + hosts.length + paths.length);
});

test('what has not changed is the same object', () => {
  const [web, db] = [instance('web', 'a'), instance('db', 'b')];
  const before = buildRoutes(catalog(web, db));
  assert.equal(buildRoutes(catalog({ ...web, modifyRevision: 9, checks: check('passing') }, db), before), before);
  const after = buildRoutes(catalog(web, instance('web', 'c'), db), before);
  assert.notEqual(after, before);
  assert.equal(after.routes[0], before.routes[0]);
  assert.notEqual(after.routes[1], before.routes[1]);
  assert.equal(after.routes[1]!.backends[0], before.routes[1]!.backends[0]);
});

test('routes are the same in whatever order services come, and no backend is critical', () => {
  const status = fc.constantFrom('passing' as const, 'warning' as const, 'critical' as const);
  const host = fc.option(fc.constantFrom('a.com', '*.a.com', 'b.com', 'web.*'), { nil: undefined });
  const rule = fc.record({ host, path: fc.constantFrom('/', '/x') });
  const any = fc.record({
    name: fc.constantFrom('web', 'db', 'api', 'WEB'),
    id: fc.string({ minLength: 1, maxLength: 3 }),
    tags: fc.subarray(['http', 'blue']),
    status,
    rules: fc.array(rule, { maxLength: 2 }),
  });
  fc.assert(
    fc.property(fc.uniqueArray(any, { maxLength: 8, selector: ({ id }) => id }), (list) => {
      const instances = list.map(({ name, id, tags, status, rules }) =>
        instance(name, id, {
          tags,
          checks: check(status),
          routes: rules.map(({ host, path }) => (host === undefined ? { path } : { host, path })),
        }),
      );
      const table = buildRoutes(catalog(...instances));
      const byName = [...instances].sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0)).reverse();
      const sorted = (routes: readonly Route[]) =>
        routes.map(({ backends, ...rest }) => ({ ...rest, backends: backends.map(({ id }) => id).sort() }));
      assert.deepEqual(sorted(buildRoutes(catalog(...byName)).routes), sorted(table.routes));
      const critical = new Set(list.filter(({ status }) => status === 'critical').map(({ id }) => `m1/${id}`));
      for (const { backends } of table.routes) for (const { id } of backends) assert.ok(!critical.has(id));
      assert.equal(new Set(table.routes.map(({ host, path }) => host + path)).size, table.routes.length);
    }),
  );
});

const INDEX = new RouteIndex(
  ['www.a.com/', 'www.a.com/api', '*.a.com/', 'web.*/', 'my.web.*/', 'old.*/x/'].map((key) => {
    const at = key.indexOf('/');
    return { host: key.slice(0, at), path: key.slice(at), service: key, backends: [] };
  }),
);

for (const [host, path, service] of [
  ['www.a.com', '/', 'www.a.com/'],
  ['www.a.com', '/apix', 'www.a.com/'],
  ['www.a.com', '/api', 'www.a.com/api'],
  ['www.a.com', '/api?x=/y', 'www.a.com/api'],
  ['www.a.com', '/api/v1', 'www.a.com/api'],
  ['other.a.com', '/', '*.a.com/'],
  ['b.other.a.com', '/', undefined],
  ['a.com', '/', undefined],
  ['web.a.com', '/', '*.a.com/'],
  ['web.example.com', '/', 'web.*/'],
  ['web.127.0.1.1', '/', 'web.*/'],
  ['my.web.org', '/', 'my.web.*/'],
  ['web', '/', undefined],
  ['webx.org', '/', undefined],
  ['old.org', '/x/y', 'old.*/x/'],
  ['old.org', '/', 'nothing here'],
] as const) {
  test(`${host}${path} is for ${service ?? 'nobody'}`, () => {
    const { route, hostKnown } = INDEX.find(host, path);
    assert.equal(route?.service ?? (hostKnown ? 'nothing here' : undefined), service);
  });
}
