import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseSshHost, sshHostText } from './ssh-host.ts';

test('a host is read with its port and its user, and shown as it was written', () => {
  const hosts: readonly [text: string, user: string, name: string, port?: number][] = [
    ['54.203.141.124', 'core', '54.203.141.124'],
    ['127.0.0.1:2222', 'core', '127.0.0.1', 2222],
    ['root@jump.example:22', 'root', 'jump.example', 22],
    ['jane@corp@jump', 'jane@corp', 'jump'],
    ['my-alias_1', 'core', 'my-alias_1'],
    ['::1', 'core', '::1'],
    ['[fe80::1%eth0]:2222', 'core', 'fe80::1%eth0', 2222],
  ];
  for (const [text, user, name, port] of hosts) {
    const host = parseSshHost(text, 'core');
    assert.deepEqual(host, { user, name, ...(port === undefined ? {} : { port }) }, text);
    assert.equal(sshHostText(host), text.slice(text.lastIndexOf('@') + 1), text);
  }
});

test('what ssh or a shell could take for something else is refused', () => {
  for (const text of [
    '',
    ':22',
    '-oProxyCommand=x',
    'a b',
    'a;b',
    '$(x)',
    'a:0',
    'a:65536',
    'a:b',
    '[::1',
    '@a',
    '-l@a',
    'a%h',
  ]) {
    assert.throws(() => parseSshHost(text, 'core'), { code: 'usage' }, text);
  }
});
