import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { loadConfig } from './config.ts';
import { SETTINGS } from './config-schema.ts';

const directory = mkdtempSync(path.join(tmpdir(), 'flotilla-config-'));
after(() => rmSync(directory, { recursive: true }));

function configOf(text: string, env: Record<string, string> = {}) {
  const file = path.join(directory, 'fleet.conf');
  writeFileSync(file, text);
  return loadConfig(file, env);
}

test('without a line everything has its default', () => {
  const { config, notices } = configOf('');
  for (const [name, { default: value }] of Object.entries(SETTINGS))
    assert.deepEqual(config[name as keyof typeof SETTINGS], value);
  assert.deepEqual(notices, []);
});

const VALUES: readonly (readonly [line: string, key: keyof typeof SETTINGS, value: unknown])[] = [
  [
    'etcd_servers=["http://10.0.0.1:2379", "http://10.0.0.2:2379"]',
    'etcd_servers',
    ['http://10.0.0.1:2379', 'http://10.0.0.2:2379'],
  ],
  [
    'etcd_servers=http://10.0.0.1:2379,http://10.0.0.2:2379',
    'etcd_servers',
    ['http://10.0.0.1:2379', 'http://10.0.0.2:2379'],
  ],
  ['public_ip="10.0.0.7"', 'public_ip', '10.0.0.7'],
  ["public_ip = '10.0.0.7'", 'public_ip', '10.0.0.7'],
  ['metadata= region = eu , disk=ssd,region=us', 'metadata', { region: 'us', disk: 'ssd' }],
  ['agent_ttl=1m30s', 'agent_ttl', 90_000],
  ['agent_ttl="500ms"', 'agent_ttl', 500],
  ['agent_ttl=30', 'agent_ttl', 30_000],
  ['disable_engine=true', 'disable_engine', true],
  ['runtime=systemd', 'runtime', 'systemd'],
  ['etcd_request_timeout=2.5', 'etcd_request_timeout', 2.5],
  ['# comment\n; comment\n[section]\nverbosity=2\r', 'verbosity', 2],
];

for (const [line, key, value] of VALUES) {
  test(`${JSON.stringify(line)} sets ${key}`, () => assert.deepEqual(configOf(line).config[key], value));
}

test('the environment overrides the file', () => {
  const { config } = configOf('agent_ttl=30s\n', { FLEET_AGENT_TTL: '5s', FLEET_METADATA: 'a=b' });
  assert.equal(config.agent_ttl, 5000);
  assert.deepEqual(config.metadata, { a: 'b' });
});

test('an empty variable of the environment is none, but where empty is a value', () => {
  const names = [
    'verbosity',
    'etcd_servers',
    'etcd_key_prefix',
    'agent_ttl',
    'metadata',
    'consul_listen',
    'docker_socket',
  ];
  const env = Object.fromEntries(names.map((name) => [`FLEET_${name.toUpperCase()}`, '']));
  const { config, notices } = configOf('agent_ttl=7s\nmetadata=a=b\n', env);
  const expected = { ...configOf('').config, agent_ttl: 7000, metadata: { a: 'b' } };
  assert.deepEqual(config, { ...expected, consul_listen: [], docker_socket: '' });
  assert.deepEqual(notices, []);
});

const MISTAKES: readonly (readonly [text: string, message: RegExp])[] = [
  ['verbosity=1\nagent_ttl=soon', /fleet\.conf:2: agent_ttl: "soon" is not a duration like 30s/],
  ['token_limit=many', /:1: token_limit: "many" is not a number/],
  ['runtime=docker', /:1: runtime: "docker" is none of auto, systemd, supervisor/],
  ['disable_engine=perhaps', /disable_engine: "perhaps" is neither true nor false/],
  ['just a line', /:1: expected key=value, found "just a line"/],
];

for (const [text, message] of MISTAKES) {
  test(`${JSON.stringify(text)} is refused by its line`, () => assert.throws(() => configOf(text), message));
}

test('a named file that is missing is fatal; the default one is not', () => {
  assert.throws(() => loadConfig(path.join(directory, 'none'), {}), /cannot read configuration file/);
});

test('what has no effect any more, or is unknown, is said', () => {
  const { config, notices, ignored } = configOf('verify_units=true\nno_such=1\nmetadata=ssd, region=eu,=x,\n');
  assert.equal(notices.length, 2);
  assert.deepEqual(config.metadata, { region: 'eu' });
  assert.match(notices.join('\n'), /:3: metadata: "ssd,=x" is not key=value and is ignored/);
  assert.match(ignored.join('\n'), /:1: verify_units has no effect any more$/);
  assert.match(notices.join('\n'), /:2: unknown setting no_such/);
});
