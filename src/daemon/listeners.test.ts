import assert from 'node:assert/strict';
import { test } from 'node:test';
import { listenersOf, openToNetwork, tcpEndpoint } from './listeners.ts';

const pid = 17;
const passed = { LISTEN_PID: '17', LISTEN_FDS: '2' };

test('without any there is the default one', () => {
  assert.deepEqual(listenersOf({ configured: [], env: {}, pid }), [{ path: '/var/run/fleet.sock', mode: 0o660 }]);
});

test('sockets of systemd come first, and then there is no default', () => {
  assert.deepEqual(listenersOf({ configured: [], env: passed, pid }), [{ fd: 3 }, { fd: 4 }]);
  const configured = ['127.0.0.1:49153'];
  assert.deepEqual(listenersOf({ configured, env: passed, pid }).at(-1), { host: '127.0.0.1', port: 49153 });
});

test('sockets passed to another process are not ours', () => {
  const env = { ...passed, LISTEN_PID: '16' };
  assert.deepEqual(listenersOf({ configured: ['/run/x.sock'], env, pid }), [{ path: '/run/x.sock', mode: 0o660 }]);
});

test('what is no address is refused', () => {
  for (const text of ['fleet.sock', 'localhost:80', '127.0.0.1', '127.0.0.1:99999'])
    assert.throws(() => listenersOf({ configured: [text], env: {}, pid }), /is neither a path nor ADDRESS:PORT/);
});

const ENDPOINTS: readonly (readonly [addresses: readonly string[], endpoint: string | undefined])[] = [
  [['unix:///run/fleet.sock', 'http://10.0.0.7:49153'], 'http://10.0.0.7:49153'],
  [['http://10.0.0.7:80'], 'http://10.0.0.7:80'],
  [['http://[fd00::1]:49153'], 'http://[fd00::1]:49153'],
  [['http://[::]:49153'], 'http://10.0.0.9:49153'],
  [['http://0.0.0.0:49153', 'http://10.0.0.7:49154'], 'http://10.0.0.9:49153'],
  [['unix:///run/fleet.sock'], undefined],
];

for (const [addresses, endpoint] of ENDPOINTS) {
  test(`others reach ${addresses.join(' and ')} at ${endpoint}`, () =>
    assert.equal(tcpEndpoint(addresses, '10.0.0.9'), endpoint));
}

test('whether other computers can reach the API, which asks for no password', () => {
  const own = ['unix:///run/fleet.sock', 'http://127.0.0.1:49153', 'http://127.0.1.2:80', 'http://[::1]:49153'];
  assert.deepEqual(openToNetwork(own), []);
  const all = ['http://0.0.0.0:49153', 'http://10.0.0.7:80', 'http://[::]:49153'];
  assert.deepEqual(openToNetwork([...own, ...all]), ['0.0.0.0:49153', '10.0.0.7:80', '[::]:49153']);
});

test('a machine without an address has no endpoint on all of them', () => {
  assert.equal(tcpEndpoint(['http://[::]:49153'], ''), undefined);
  assert.equal(tcpEndpoint(['http://[::]:49153'], 'fd00::9'), 'http://[fd00::9]:49153');
});
