import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { COMMANDS } from './commands.ts';
import { bashCompletion, fishCompletion, zshCompletion } from './completion-scripts.ts';

const directory = mkdtempSync(join(tmpdir(), 'flotilla-completion-'));
after(() => rmSync(directory, { recursive: true }));

// Takes the place of fleetctl in PATH: completion must call it by name with these arguments, and print nothing.
writeFileSync(
  join(directory, 'fleetctl'),
  `#!/bin/sh
[ "$*" = "--request-timeout=1 list-unit-files --no-legend --fields=unit" ] && echo hello.service
[ "$*" = "--request-timeout=1 list-machines --no-legend --full --fields=hostname,machine" ] && printf 'm1\\t\\t85c0c595\\n-\\t\\t8b2e\\n'
[ "$*" = "--request-timeout=1 services --no-legend" ] && printf 'web\\t1\\n'
[ "$*" = "lab status" ] && printf 'NUMBER  MACHINE\\n1  85c0c595...\\n2  8b2e...\\nstore: up\\n'
echo noise >&2
`,
);
chmodSync(join(directory, 'fleetctl'), 0o755);
writeFileSync(join(directory, 'local.service'), '');

const ENVIRONMENT = { PATH: `${directory}:${process.env['PATH']}`, HOME: directory };

function has(shell: string): boolean {
  return spawnSync(shell, ['-c', 'true']).status === 0;
}

/** Returns what bash offers behind these words. */
function complete(...words: string[]): string[] {
  const script = `${bashCompletion(COMMANDS)}
COMP_WORDS=(fleetctl "$@"); COMP_CWORD=$#; _fleetctl; printf '%s\\n' "\${COMPREPLY[@]}"`;
  const { stdout, stderr, status } = spawnSync('bash', ['--norc', '-c', script, 'bash', ...words], {
    encoding: 'utf8',
    cwd: directory,
    env: ENVIRONMENT,
  });
  assert.deepEqual([status, stderr], [0, '']);
  return stdout.split('\n').filter(Boolean);
}

test('bash completes commands, flags, units, files and the values of flags', {
  skip: !has('bash') && 'no bash here',
}, () => {
  assert.deepEqual(complete('list-'), ['list-machines', 'list-unit-files', 'list-units']);
  assert.ok(!complete('').includes('fd-forward'));
  assert.deepEqual(complete('ssh', ''), ['m1', '85c0c595', '8b2e', 'hello.service']);
  assert.deepEqual(complete('resolve', ''), ['web']);
  assert.deepEqual(complete('start', '--re'), ['--replace', '--request-timeout']);
  assert.deepEqual(complete('status', 'h'), ['hello.service']);
  assert.deepEqual(complete('start', 'lo'), ['local.service']);
  assert.deepEqual(complete('--endpoint', 'http://x', 'cat', ''), ['hello.service']);
  assert.deepEqual(complete('list-units', '--output', ''), ['table', 'wide', 'json']);
  assert.deepEqual(complete('wait', '--for', 'g'), ['gone']);
  assert.deepEqual(complete('list-units', '-o', ''), ['table', 'wide', 'json']);
  assert.deepEqual(complete('services', '-o', ''), ['table', 'json']);
  assert.deepEqual(complete('list-machines', '--fields', 'h'), ['hostname']);
  assert.deepEqual(complete('list-machines', '--fields', 'machine,ver'), ['machine,version']);
  assert.deepEqual(complete('status', '--machine', ''), ['m1', '85c0c595', '8b2e']);
  assert.deepEqual(complete('list-machines', ''), ['m1', '85c0c595', '8b2e']);
  assert.deepEqual(complete('list-units', '--output', '='), ['table', 'wide', 'json']);
  assert.deepEqual(complete('list-units', '--output', '=', 'j'), ['json']);
  assert.deepEqual(complete('--endpoint', '=', 'http', ':', '//x', 'cat', ''), ['hello.service']);
  assert.deepEqual(complete('events', '--since', ''), []);
  assert.deepEqual(complete('--ca-file', 'lo'), ['local.service']);
  assert.deepEqual(complete('lab', 'kill', ''), ['1', '2']);
  assert.deepEqual(complete('lab', 'k'), ['kill']);
  assert.deepEqual(complete('help', 'unl'), ['unload']);
});

test('fish completes the same', { skip: !has('fish') && 'no fish here' }, () => {
  const script = join(directory, 'fleetctl.fish');
  writeFileSync(script, fishCompletion(COMMANDS));
  const offers: readonly [line: string, words: readonly string[]][] = [
    ['list-', ['list-machines', 'list-unit-files', 'list-units']],
    ['start --re', ['--replace', '--request-timeout']],
    ['status h', ['hello.service']],
    ['start lo', ['local.service']],
    ['list-units --output ', ['json', 'table', 'wide']],
    ['wait --for g', ['gone']],
    ['list-units -o ', ['json', 'table', 'wide']],
    ['status --machine ', ['85c0c595', '8b2e', 'm1']],
    ['list-machines m', ['m1']],
    ['list-machines --fields ver', ['version']],
    ['lab kill ', ['1', '2']],
    ['lab k', ['kill']],
    ['ssh 8', ['85c0c595', '8b2e']],
    ['ssh h', ['hello.service']],
    ['resolve w', ['web']],
  ];
  for (const [line, words] of offers) {
    const command = `source ${script}; complete -C 'fleetctl ${line}'`;
    const options = { encoding: 'utf8', cwd: directory, env: ENVIRONMENT } as const;
    const { stdout, stderr } = spawnSync('fish', ['--no-config', '-c', command], options);
    assert.equal(stderr, '');
    const found = stdout.split('\n').map((offer) => offer.split('\t')[0]!);
    assert.deepEqual(found.filter(Boolean).sort(), words, line);
  }
});

for (const [shell, script] of [
  ['bash', bashCompletion(COMMANDS)],
  ['zsh', zshCompletion(COMMANDS)],
  ['fish', fishCompletion(COMMANDS)],
] as const) {
  test(`${shell} reads its script without complaint`, { skip: !has(shell) && `no ${shell} here` }, () => {
    const file = join(directory, `script.${shell}`);
    writeFileSync(file, script);
    const { status, stderr } = spawnSync(shell, ['-n', file], { encoding: 'utf8' });
    assert.deepEqual([status, stderr], [0, '']);
  });

  test(`${shell}'s script knows every command that works`, () => {
    for (const command of COMMANDS) {
      assert.equal(new RegExp(`[ "']${command.name}[ :)"']`).test(script), !command.hidden, command.name);
    }
  });
}
