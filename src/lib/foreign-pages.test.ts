import assert from 'node:assert/strict';
import { hostname } from 'node:os';
import { test } from 'node:test';
import { isFlotillaError, refuseForeignPages } from './index.ts';

const pages = refuseForeignPages(['Fleet.Example.com']);

type Headers = Readonly<Record<string, string>>;

function refused(headers: Headers, method = 'GET', writes = method !== 'GET'): boolean {
  try {
    pages({ method, writes, header: (name) => headers[name] });
    return false;
  } catch (error) {
    assert.ok(isFlotillaError(error, 'forbidden'));
    return true;
  }
}

const OWN = ['127.0.0.1:8500', '127.0.0.1', '[::1]:8500', '[fe80::1]', '10.0.0.1:49153', 'localhost:8500', 'LOCALHOST'];
const NAMED = [
  `${hostname()}:8500`,
  'm1.node.consul:8500',
  'm1.node.consul.',
  'fleet',
  'fleet.example.com',
  'a.internal',
  '',
];
for (const host of [...OWN, ...NAMED])
  test(`programs may ask at ${JSON.stringify(host)}, and so may pages from there`, () => {
    for (const method of ['GET', 'PUT', 'POST', 'DELETE']) assert.equal(refused({ host }, method), false);
    const origin = `http://${host.toLowerCase()}`;
    if (URL.canParse(origin)) assert.equal(refused({ host, origin, 'sec-fetch-site': 'same-origin' }, 'PUT'), false);
  });

const FOREIGN = [
  'evil.example:8500',
  'evil.example',
  '127.0.0.1.evil.example',
  'consul.evil.example',
  'localhost.evil.example:80',
];
const ODD = [
  'evil.example.',
  '127.0.0.1@evil.example',
  '127.0.0.1:8500:1',
  '[::1',
  'evil.exampleconsul',
  'x.fleet.example.com',
];
for (const host of [...FOREIGN, ...ODD])
  test(`a page whose name ${JSON.stringify(host)} leads here is refused`, () => {
    for (const method of ['GET', 'HEAD', 'PUT']) assert.equal(refused({ host }, method), true);
  });

const host = '10.0.0.1:8500';
const CASES: readonly (readonly [what: string, headers: Headers, method: string, writes: boolean, refused: boolean])[] =
  [
    ['a page elsewhere', { host, origin: 'http://evil.example' }, 'GET', false, true],
    ['a page elsewhere that writes', { host, origin: 'https://evil.example' }, 'PUT', true, true],
    ['a sandboxed page', { host, origin: 'null' }, 'PUT', true, true],
    ['a page at another port', { host, origin: 'http://10.0.0.1:80' }, 'GET', false, true],
    ['a form of another site', { host, 'sec-fetch-site': 'cross-site' }, 'POST', true, true],
    ['a page at another port of this host', { host, 'sec-fetch-site': 'same-site' }, 'PUT', true, true],
    ['an image that deregisters', { host, 'accept-language': 'en' }, 'GET', true, true],
    [
      'a link that is followed to a list',
      { host, 'accept-language': 'en', 'sec-fetch-site': 'cross-site' },
      'GET',
      false,
      false,
    ],
    ['an old client that deregisters by GET', { host }, 'GET', true, false],
  ];
for (const [what, headers, method, writes, expected] of CASES)
  test(`${what} is ${expected ? 'refused' : 'let in'}`, () => assert.equal(refused(headers, method, writes), expected));
