import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sources } from './sources.ts';

/** Each place that calls Node for fleetd, which can have none in common: a shell script, an installer, two programs. */
const FLEETD: Readonly<Record<string, RegExp>> = {
  'bin/fleetd': /^ {2}\*\) exec "\$root\/dist\/fleetd" (.*) "\$root\/dist\/fleetd\.cjs"/m,
  'scripts/install.ts': /^ {2}fleetd: 'dist\/fleetd (.*)',$/m,
  'src/lab/daemon-process.ts': /nodeFlags = [\s\S]*? : \[(.*)\];$/m,
};
const OTHERS: Readonly<Record<string, RegExp>> = {
  'bin/fleetd': /exec "\$node" (.*) "\$root\/dist\/fleetd\.cjs"/,
  'bin/fleetctl': /exec "\$node" (.*) "\$root\/dist\/fleetctl\.cjs"/,
  'scripts/install.ts': /^ {2}fleetctl: 'bin\/node (.*)',$/m,
  'src/lab/daemon-process.ts': /nodeFlags = [\s\S]*?\? \[(.*)\] :/,
  'src/daemon/main.ts': /const self = \{ command: execPath, args: \[(.*), argv/,
};

function flagsIn(file: string, where: RegExp): string[] {
  const text = sources(file).find((source) => source.file === file)!.text;
  const [, found] = where.exec(text) ?? assert.fail(`${file} no longer calls Node as this test expects`);
  return found!.replaceAll(/[',]/g, ' ').trim().split(/\s+/);
}

test('Node is called with the same flags wherever fleetd is started', () => {
  const [first, ...more] = Object.entries(FLEETD).map(([file, where]) => flagsIn(file, where));
  for (const flags of more) assert.deepEqual(flags, first);
  assert.ok(first!.includes('--inspect-port=192.0.2.1:9229'));
});

test('Node opens its inspector at no signal, whichever of the programs it runs', () => {
  for (const [file, where] of Object.entries(OTHERS))
    assert.deepEqual(flagsIn(file, where), ['--disable-sigusr1'], file);
});
