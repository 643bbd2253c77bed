import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TestCatalog } from '../services/test-catalog.ts';
import { RCODE, TYPE } from './message.ts';
import type { DnsRecord } from './records.ts';
import { Zone } from './zone.ts';

function zone(): Zone {
  const catalog = new TestCatalog();
  catalog.nodes({ one: '127.0.1.1', 'Two.example': '127.0.1.2', six: '2001:db8::6' });
  catalog.nodes({ Outside: '10.0.0.7', Far: 'Learn.example.com' }, 'external');
  catalog.set('far', [{ node: 'Far', address: '', port: 80 }]);
  catalog.set('both', [
    { id: 'far', node: 'Far', address: '', port: 80 },
    { id: 'near', port: 81 },
  ]);
  catalog.set('web', [
    { id: 'a', port: 80, tags: ['blue', 'v1.2'] },
    { id: 'b', node: 'Two.example', port: 81, tags: ['Green'], health: 'warning', weights: { passing: 5, warning: 2 } },
    { id: 'c', node: 'Two.example', port: 82, health: 'critical', tags: ['blue'] },
  ]);
  catalog.set('Mixed', [{ port: 90, address: '10.0.0.9' }]);
  catalog.set('six', [
    { node: 'six', port: 66 },
    { node: 'six', port: 67, address: '2001:db8::7' },
  ]);
  catalog.set('db', [{ node: 'Outside', address: '', port: 5432 }]);
  catalog.set('down', [{ health: 'critical' }]);
  catalog.set('twins', [
    { id: 't1', port: 1 },
    { id: 't2', port: 2 },
  ]);
  return new Zone(catalog.snapshot, 'dc1');
}

function show(record: DnsRecord): string {
  if ('address' in record) return [...record.address].join('.');
  if (record.type === TYPE.SRV) return `${record.priority} ${record.weight} ${record.port} ${record.target}`;
  return 'target' in record ? record.target : 'soa';
}

const IPV6 = [0x20, 1, 0x0d, 0xb8, ...Array(11).fill(0)];
const CASES: readonly (readonly [
  name: string,
  type: number,
  answers: readonly string[] | 'nxdomain',
  additional?: readonly string[],
])[] = [
  ['one.node.consul', TYPE.A, ['127.0.1.1']],
  ['one.node.dc1.consul', TYPE.A, ['127.0.1.1']],
  ['one.node.dc2.consul', TYPE.A, 'nxdomain'],
  ['two.example.node.consul', TYPE.A, ['127.0.1.2']],
  ['one.node.consul', TYPE.AAAA, []],
  ['six.node.consul', TYPE.AAAA, [[...IPV6, 6].join('.')]],
  ['one.node.consul', TYPE.ANY, ['127.0.1.1']],
  ['outside.node.consul', TYPE.A, ['10.0.0.7']],
  ['db.service.consul', TYPE.A, ['10.0.0.7']],
  ['db.service.consul', TYPE.SRV, ['1 1 5432 outside.node.dc1.consul'], ['10.0.0.7']],
  ['far.node.consul', TYPE.A, ['learn.example.com']],
  ['far.node.consul', TYPE.AAAA, ['learn.example.com']],
  ['far.node.consul', TYPE.CNAME, ['learn.example.com']],
  ['far.service.consul', TYPE.A, ['learn.example.com']],
  ['far.service.consul', TYPE.SRV, ['1 1 80 learn.example.com']],
  ['both.service.consul', TYPE.A, ['127.0.1.1']],
  ['both.service.consul', TYPE.ANY, ['127.0.1.1']],
  ['both.service.consul', TYPE.SRV, ['1 1 80 learn.example.com', '1 1 81 one.node.dc1.consul'], ['127.0.1.1']],
  ['nobody.node.consul', TYPE.A, 'nxdomain'],
  ['web.service.consul', TYPE.A, ['127.0.1.1', '127.0.1.2']],
  ['web.service.dc1.consul', TYPE.A, ['127.0.1.1', '127.0.1.2']],
  ['web.service.dc2.consul', TYPE.A, 'nxdomain'],
  [
    'web.service.consul',
    TYPE.SRV,
    ['1 1 80 one.node.dc1.consul', '1 2 81 two.example.node.dc1.consul'],
    ['127.0.1.1', '127.0.1.2'],
  ],
  [
    '_web._tcp.service.consul',
    TYPE.SRV,
    ['1 1 80 one.node.dc1.consul', '1 2 81 two.example.node.dc1.consul'],
    ['127.0.1.1', '127.0.1.2'],
  ],
  ['_web._blue.service.dc1.consul', TYPE.SRV, ['1 1 80 one.node.dc1.consul'], ['127.0.1.1']],
  ['blue.web.service.consul', TYPE.A, ['127.0.1.1']],
  ['v1.2.web.service.consul', TYPE.A, ['127.0.1.1']],
  ['green.web.service.consul', TYPE.A, ['127.0.1.2']],
  ['red.web.service.consul', TYPE.A, 'nxdomain'],
  ['down.service.consul', TYPE.A, 'nxdomain'],
  ['mixed.service.consul', TYPE.SRV, ['1 1 90 0a000009.addr.dc1.consul'], ['10.0.0.9']],
  ['0a000009.addr.dc1.consul', TYPE.A, ['10.0.0.9']],
  ['0a000009.addr.consul', TYPE.AAAA, []],
  ['0a0009.addr.consul', TYPE.A, 'nxdomain'],
  ['six.service.consul', TYPE.A, []],
  [
    'six.service.consul',
    TYPE.SRV,
    ['1 1 66 six.node.dc1.consul', '1 1 67 20010db8000000000000000000000007.addr.dc1.consul'],
    [[...IPV6, 6].join('.'), [...IPV6, 7].join('.')],
  ],
  ['twins.service.consul', TYPE.A, ['127.0.1.1']],
  ['twins.service.consul', TYPE.SRV, ['1 1 1 one.node.dc1.consul', '1 1 2 one.node.dc1.consul'], ['127.0.1.1']],
  ['consul.service.consul', TYPE.A, ['127.0.1.1', '127.0.1.2']],
  ['consul', TYPE.SOA, ['soa']],
  [
    'consul',
    TYPE.NS,
    ['one.node.dc1.consul', 'two.example.node.dc1.consul', 'six.node.dc1.consul'],
    ['127.0.1.1', '127.0.1.2', [...IPV6, 6].join('.')],
  ],
  ['consul', TYPE.A, []],
  ['service.consul', TYPE.A, []],
  ['dc1.consul', TYPE.A, []],
  ['node.dc1.consul', TYPE.A, []],
  ['nothing.consul', TYPE.A, 'nxdomain'],
  ['web.query.consul', TYPE.A, 'nxdomain'],
];

for (const [name, type, answers, additional = []] of CASES) {
  test(`${name} type ${type}`, () => {
    const reply = zone().reply({ name, type, class: 1 });
    assert.equal(reply.authoritative, true);
    assert.equal(reply.rcode, answers === 'nxdomain' ? RCODE.nxDomain : RCODE.ok);
    assert.deepEqual(reply.answers.map(show), answers === 'nxdomain' ? [] : answers);
    assert.deepEqual(reply.additional.map(show), additional);
    // A negative response carries the SOA that says for how long it may be kept.
    assert.deepEqual(reply.authority.map(show), reply.answers.length === 0 ? ['soa'] : []);
  });
}

test('zone transfers and other classes are refused', () => {
  for (const type of [TYPE.AXFR, TYPE.IXFR])
    assert.equal(zone().reply({ name: 'consul', type, class: 1 }).rcode, RCODE.refused);
  assert.equal(zone().reply({ name: 'consul', type: TYPE.A, class: 3 }).rcode, RCODE.refused);
});
