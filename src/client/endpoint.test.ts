import assert from 'node:assert/strict';
import { test } from 'node:test';
import { endpointText, parseEndpoint } from './endpoint.ts';

test('endpoints are read, and written as they were', () => {
  assert.deepEqual(parseEndpoint('unix:///var/run/fleet.sock'), { kind: 'unix', path: '/var/run/fleet.sock' });
  assert.deepEqual(parseEndpoint('file:///tmp/a%20b.sock'), { kind: 'unix', path: '/tmp/a b.sock' });
  const tcp = { kind: 'tcp', tls: false, host: '127.0.1.1', port: 49153, prefix: '' };
  assert.deepEqual(parseEndpoint('http://127.0.1.1:49153/'), tcp);
  assert.deepEqual(parseEndpoint('https://fleet.example/api'), {
    ...{ kind: 'tcp', tls: true, host: 'fleet.example', port: 443 },
    prefix: '/api',
  });
  for (const text of ['unix:///run/x.sock', 'http://[::1]:80', 'https://h:8443/p']) {
    assert.equal(endpointText(parseEndpoint(text)), text);
  }
});

const REFUSED: readonly [text: string, message: RegExp][] = [
  ['unix://var/run/x.sock', /^unable to connect to host "var" with scheme "unix": .* unix:\/\/\/var\/run\/x\.sock$/],
  ['unix://', /unable to connect to host "" with scheme "unix"/],
  ['unix:///', /names no socket/],
  ['127.0.0.1:49153', /has no scheme: write unix:\/\/\/path/],
  ['', /has no scheme/],
  ['ftp://x', /scheme ftp is none of unix, http, https/],
  ['http://', /is not a URL: write http:\/\/host:port/],
  ['http://h:99999', /is not a URL/],
];

test('what is no endpoint is refused with what to write', () => {
  for (const [text, message] of REFUSED) assert.throws(() => parseEndpoint(text), { code: 'invalid', message }, text);
});
