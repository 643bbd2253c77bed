import assert from 'node:assert/strict';
import { test } from 'node:test';
import { VERSION } from '../lib/index.ts';
import { COMMANDS } from './commands.ts';
import { OutputClosed } from './io.ts';
import { runFleetctl } from './run.ts';

interface Ran {
  readonly status: number;
  readonly out: string;
  readonly err: string;
}

async function run(line: string, env: Record<string, string> = {}): Promise<Ran> {
  let out = '';
  let err = '';
  const io = {
    out: (text: string) => {
      out += text;
    },
    err: (text: string) => {
      err += text;
    },
    env: { FLOTILLA_LAB: '/nowhere', ...env },
    inIsTerminal: () => false,
    outIsTerminal: () => false,
    errIsTerminal: () => false,
  };
  const status = await runFleetctl(line.split(' ').filter(Boolean), io);
  return { status, out, err };
}

test('help is printed with the version, and is no failure', async () => {
  const { out } = await run('');
  assert.match(out, new RegExp(`VERSION:\n\t${VERSION}\n`));
  for (const line of ['help', '--help', '-h', '-help', '--endpoint unix://bad/host --help']) {
    assert.deepEqual(await run(line), { status: 0, out, err: '' }, line);
  }
});

test('every command that works is listed, and explains itself', async () => {
  const { out: list } = await run('help');
  for (const command of COMMANDS) {
    const { out, status } = await run(`help ${command.name}`);
    assert.equal(status, 0);
    assert.match(out, new RegExp(`^NAME:\n\tfleetctl ${command.name} - `));
    if (!command.hidden) assert.match(out, /\nEXAMPLES:\n\t/, command.name);
    for (const flag of command.flags.filter((one) => !one.deprecated))
      assert.ok(out.includes(`--${flag.name}`), flag.name);
    assert.equal(list.includes(`\t${command.name} `), !command.hidden, command.name);
    assert.deepEqual(await run(`${command.name} --help`), { status: 0, out, err: '' });
  }
});

test('every part of a command has help of its own', async () => {
  for (const command of COMMANDS) {
    for (const { name } of command.subcommands ?? []) {
      const { out, status } = await run(`help ${command.name} ${name}`);
      assert.equal(status, 0);
      assert.match(out, new RegExp(`^NAME:\n\tfleetctl ${command.name} ${name} - `));
      assert.match(out, /\nEXAMPLES:\n\tfleetctl /, `${command.name} ${name}`);
      for (const flag of ['-h', '--help'])
        assert.deepEqual(await run(`${command.name} ${name} ${flag}`), { status: 0, out, err: '' });
    }
  }
});

test('no line of help is wider than 80 columns', async () => {
  const lines = ['help'];
  for (const { name, subcommands = [] } of COMMANDS)
    lines.push(`help ${name}`, ...subcommands.map((part) => `help ${name} ${part.name}`));
  for (const line of lines) {
    const { out } = await run(line);
    const wide = out.split('\n').filter((text) => text.replace(/^\t/, '        ').length > 80);
    assert.deepEqual(wide, [], line);
    assert.ok(!out.slice(1).includes('\t\t'));
  }
});

test('version, written in every way', async () => {
  for (const line of ['version', '--version', '-v', '-version', 'list-units --version', 'versi']) {
    assert.deepEqual(await run(line), { status: 0, out: `fleetctl version ${VERSION}\n`, err: '' }, line);
  }
});

const GONE = 'http://127.0.0.1:1';

const FAILURES: readonly [line: string, status: number, err: RegExp][] = [
  ['lst-units', 2, /^fleetctl: unknown command "lst-units"\. Did you mean list-units\? Run 'fleetctl help'/],
  ['frobnicate', 2, /^fleetctl: unknown command "frobnicate"\. Run 'fleetctl help'/],
  ['list-u', 2, /^ambiguous command "list-u": it may be list-unit-files, list-units\n$/],
  ['help nothing', 2, /^fleetctl: unknown command "nothing"/],
  ['list-units --no-legned', 2, /^unknown flag: --no-legned\. Did you mean --no-legend\?/],
  ['verify x', 2, /signed\/verified units feature is DEPRECATED and cannot be used/],
  ['start --sign x', 2, /signed\/verified units feature is DEPRECATED and cannot be used/],
  ['ssh', 2, /^Name a machine, by the beginning of its id or by a unit on it\.\n$/],
  ['ssh -A m1 ls -la', 1, /^there is no ssh agent to forward, for SSH_AUTH_SOCK is not set/],
  ['ssh --machine a --unit b', 2, /^--machine and --unit both name a machine/],
  ['ssh --frob m1', 2, /^unknown flag: --frob/],
  ['fd-forward', 2, /^Name one unix socket\.\n$/],
  ['fd-forward /no/such.sock', 1, /^cannot connect to \/no\/such\.sock \(there is no such socket\)\n$/],
  ['--tunnel a,b list-units', 2, /^"a,b" names no host for ssh: write HOST or HOST:PORT\n$/],
  ['--driver etcd list-units', 1, /^--driver=etcd is gone/],
  ['--endpoint unix://var/run/x.sock list-units', 1, /^unable to connect to host "var" with scheme "unix"/],
  ['--endpoint nonsense list-units', 1, /^endpoint "nonsense" has no scheme/],
  ['list-units --fields unit,subb', 1, /^Invalid key in output format: "subb" .*did you mean sub\?/],
  [
    'list-units --fields unit -o json',
    2,
    /^\{"error":\{"code":"usage","message":"--fields chooses columns of a table, and -o json prints all there is/,
  ],
  ['list-units --fields=', 1, /^Must define output format\n$/],
  [
    `--endpoint ${GONE} list-units`,
    1,
    /^cannot reach the fleet API at http:\/\/127\.0\.0\.1:1 \(connection refused\)\. .*fleetctl lab up\n$/,
  ],
  ['completion', 2, /^Name a shell: fleetctl completion bash\|zsh\|fish\n$/],
  ['cat', 1, /^One unit file must be provided\.\n$/],
  ['journal', 1, /^One unit file must be provided\.\n$/],
  ['version 3', 2, /^version takes no arguments: leave out 3\n$/],
  [
    'router render nginx -o json',
    2,
    /"code":"usage","message":"unknown flag for router render: -o\. Run 'fleetctl help router render'/,
  ],
  [
    'router certificates remove x -o json',
    2,
    /"message":"router certificates remove prints no list: leave out --output"\}\}\n$/,
  ],
  ['completion bash zsh', 2, /^One shell at a time: fleetctl completion bash\|zsh\|fish\n$/],
  ['start --request-timeout 0 x', 2, /^invalid value "0" for --request-timeout: write more than 0/],
];

test('each mistake has its exit status and one sentence', async () => {
  for (const [line, status, message] of FAILURES) {
    const ran = await run(line);
    assert.deepEqual([ran.status, ran.out], [status, ''], line);
    assert.match(ran.err, message, line);
    assert.equal(ran.err.trimEnd().split('\n').length, 1, line);
  }
});

test('no units given is said, and no failure', async () => {
  for (const name of ['submit', 'load', 'start', 'stop', 'unload', 'restart', 'destroy', 'status', 'wait']) {
    assert.deepEqual(await run(name), { status: 0, out: '', err: 'No units given\n' }, name);
  }
});

test('a command may be shortened while it stays the only one', async () => {
  const long = await run(`--endpoint ${GONE} list-machines`);
  assert.deepEqual(await run(`--endpoint ${GONE} list-m`), long);
  // As in fleet, which has neither `resolve` nor `completion`.
  for (const [short, command] of [
    ['res', 'restart'],
    ['c', 'cat'],
  ])
    assert.deepEqual(await run(`help ${short}`), await run(`help ${command}`));
});

test('a reader who has gone ends the command quietly', async () => {
  const io = {
    out: () => {
      throw new OutputClosed();
    },
    err: () => assert.fail('nothing is to be said'),
    env: {},
    inIsTerminal: () => false,
    outIsTerminal: () => false,
    errIsTerminal: () => false,
  };
  assert.equal(await runFleetctl(['help'], io), 0);
});
