import assert from 'node:assert/strict';
import { test } from 'node:test';
import { COMMANDS } from './commands.ts';
import { type FlagSpec, resolveFlags, splitLine } from './flags.ts';
import { GLOBAL_FLAGS } from './global-flags.ts';

const ALL = [...GLOBAL_FLAGS, ...COMMANDS.flatMap((command) => command.flags)];

function parse(argv: string, env: Record<string, string> = {}) {
  const line = splitLine(argv.split(' ').filter(Boolean), ALL, ([word]) => word === 'ssh');
  const command = COMMANDS.find(({ name }) => name === line.words[0]);
  assert.ok(command, argv);
  const flags = resolveFlags(line.found, command.flags, GLOBAL_FLAGS, { command: command.name, env });
  return { flags, args: [...line.words.slice(1), ...line.rest] };
}

test('one dash or two, before or behind the command, with a space or an equals sign', () => {
  const lines = [
    'list-units -no-legend -fields=unit,sub -l',
    'list-units --no-legend --fields unit,sub --full',
    '-no-legend --full list-units -fields unit,sub',
    'list-units --no-legend=true -full --fields=unit,sub',
    '--endpoint http://h:1 list-units -no-legend=1 -l=true -fields unit,sub',
  ];
  for (const line of lines) {
    const { flags, args } = parse(line);
    assert.equal(flags.text('fields'), 'unit,sub', line);
    assert.ok(flags.bool('no-legend') && flags.bool('full'), line);
    assert.deepEqual(args, [], line);
  }
});

test('a letter belongs to the command at hand', () => {
  assert.equal(parse('journal -f -n 5 -o cat x').flags.text('output'), 'cat');
  assert.equal(parse('journal -f -n 5 x').flags.count('lines'), 5);
  assert.ok(parse('events -f').flags.bool('follow'));
  assert.equal(parse('list-units -o json').flags.text('output'), 'json');
});

test('-- ends the flags, and a command that passes words on leaves them alone', () => {
  assert.deepEqual(parse('cat -- -odd.service').args, ['-odd.service']);
  assert.deepEqual(parse('ssh m1 ls -la --color').args, ['m1', 'ls', '-la', '--color']);
  assert.deepEqual(parse('cat -').args, ['-']);
});

test('global flags come from the environment, and the command line wins', () => {
  const env = {
    FLEETCTL_ENDPOINT: 'http://a:1',
    FLEETCTL_REQUEST_TIMEOUT: '1.5',
    FLEETCTL_STRICT_HOST_KEY_CHECKING: 'false',
  };
  assert.equal(parse('list-units', env).flags.text('endpoint'), 'http://a:1');
  assert.equal(parse('list-units', env).flags.ms('request-timeout'), 1500);
  assert.equal(parse('list-units --endpoint http://b:2', env).flags.text('endpoint'), 'http://b:2');
  assert.ok(!parse('list-units', { FLEETCTL_ENDPOINT: '' }).flags.has('endpoint'));
  assert.ok(!parse('list-units', { FLEETCTL_VERSION: '0.11.8', FLEETCTL_HELP: 'me' }).flags.has('version'));
});

test('flags of old scripts are accepted, and mean what took their place', () => {
  const { flags } = parse('--experimental-api=true --etcd-cafile /ca --driver API --etcd-key-prefix /x list-units');
  assert.equal(flags.text('ca-file'), '/ca');
  assert.doesNotThrow(() => parse('journal --sudo --ssh-port 22 x'));
});

const REFUSED: readonly [line: string, message: RegExp][] = [
  ['list-units --no-legned', /unknown flag: --no-legned\. Did you mean --no-legend\?/],
  ['list-units --frobnicate=3', /unknown flag: --frobnicate\. Run 'fleetctl help'/],
  ['list-units --replace', /unknown flag for list-units: --replace/],
  ['list-units --full=maybe', /invalid value "maybe" for --full: write true or false/],
  ['list-units -o yaml', /invalid value "yaml" for -o: write one of table, wide, json/],
  [
    'start --timeout 30x x',
    /invalid value "30x" for --timeout: write a duration, as in 30s, 1m30s or 500ms; 30 is seconds/,
  ],
  ['list-units --request-timeout 0', /invalid value "0" for --request-timeout: write more than 0, as in 3\.0/],
  ['start --block-attempts=-1 x', /invalid value "-1" for --block-attempts: write a whole number/],
  ['list-units --request-timeout soon', /invalid value "soon" for --request-timeout: write a duration/],
  ['list-units --fields', /flag needs a value: --fields A,B/],
  ['wait --for never x', /write one of active, loaded, inactive, gone/],
];

test('what cannot be understood is refused with the way out', () => {
  for (const [line, message] of REFUSED) assert.throws(() => parse(line), { code: 'usage', message }, line);
  assert.throws(() => parse('list-units', { FLEETCTL_REQUEST_TIMEOUT: 'soon' }), /for FLEETCTL_REQUEST_TIMEOUT/);
});

test('a flag takes a value in all commands or in none, so that a line can be read before its command is known', () => {
  const kinds = new Map<string, FlagSpec>();
  for (const spec of ALL) {
    for (const name of [spec.name, spec.short].filter((one) => one !== undefined)) {
      const known = kinds.get(name);
      assert.equal((known ?? spec).kind === 'bool', spec.kind === 'bool', name);
      kinds.set(name, spec);
    }
  }
});
