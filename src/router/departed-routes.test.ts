import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DepartedRoutes } from './departed-routes.ts';
import { RouteIndex } from './route-index.ts';
import { NO_ROUTES, type Route, type RouteTable } from './route-table.ts';

const backends = [{ id: 'm1/a', machine: 'm1', address: '127.0.0.1', port: 1, weight: 1 }];
const routeTo = (host: string, path = '/'): Route => ({ host, path, service: 'web', backends });
const table = (...routes: Route[]): RouteTable => ({ ...NO_ROUTES, routes });
const shown = ({ routes }: RouteTable) => routes.map((route) => `${route.host}${route.path} ${route.backends.length}`);

function open(limit = 10) {
  const at = { now: 0 };
  return { at, departed: new DepartedRoutes({ now: () => at.now, keepMs: 100, limit }) };
}

test('a route that lost its last instance stays without one, and is forgotten in time', () => {
  const { at, departed } = open();
  const [both, one] = [table(routeTo('api.*'), routeTo('web.*')), table(routeTo('web.*'))];
  assert.deepEqual(shown(departed.keep(both, one)), ['api.*/ 0', 'web.*/ 1']);
  at.now = 99;
  assert.deepEqual(shown(departed.keep(one, one)), ['api.*/ 0', 'web.*/ 1']);
  assert.equal(departed.nextMs, 100);
  at.now = 100;
  assert.equal(departed.keep(one, one), one);
  assert.equal(departed.nextMs, undefined);
});

test('a route that comes back is the one of the catalog', () => {
  const { departed } = open();
  departed.keep(table(routeTo('web.*')), table());
  const back = table(routeTo('web.*'));
  assert.equal(departed.keep(table(), back), back);
});

test('a route whose requests another one takes has moved', () => {
  const moves: [Route, Route][] = [
    [routeTo('www.example.com'), routeTo('*.example.com')],
    [routeTo('www.example.com'), routeTo('www.*')],
    [routeTo('web.*', '/api'), routeTo('web.*')],
  ];
  for (const [before, after] of moves) {
    const { departed } = open();
    assert.deepEqual(shown(departed.keep(table(before), table(after))), shown(table(after)));
  }
});

test('no more than so many are kept, the last ones', () => {
  const { departed } = open(2);
  assert.deepEqual(shown(departed.keep(table(routeTo('a.*'), routeTo('b.*'), routeTo('c.*')), table())), [
    'b.*/ 0',
    'c.*/ 0',
  ]);
});

test('a departed route goes before no other, whatever its host', () => {
  const cases: [departed: Route, live: Route, asked: string][] = [
    [routeTo('*.example.com'), routeTo('web.*'), 'web.example.com'],
    [routeTo('web.example.com', '/api'), routeTo('web.*', '/shop'), 'web.example.com'],
    [routeTo('web.example.com', '/api'), routeTo('*.example.com', '/shop'), 'web.example.com'],
    [routeTo('web.eu.*', '/api'), routeTo('web.*', '/shop'), 'web.eu.example.com'],
  ];
  for (const [before, live, asked] of cases) {
    const { departed } = open();
    const kept = departed.keep(table(before, live), table(live));
    assert.equal(kept.routes.length, 2);
    assert.equal(new RouteIndex(kept.routes).find(asked, live.path).route, live, before.host);
  }
});

test('a departed route is kept for the requests that no other host takes', () => {
  const { departed } = open();
  const live = routeTo('web.*');
  const index = new RouteIndex(departed.keep(table(routeTo('*.example.com'), live), table(live)).routes);
  assert.equal(index.find('other.example.com', '/').route?.host, '*.example.com');
  const there = [routeTo('www.example.com', '/shop')];
  const kept = departed.keep(table(routeTo('www.example.com', '/api'), ...there), table(...there));
  assert.deepEqual(new RouteIndex(kept.routes).find('www.example.com', '/api').route?.backends, []);
});
