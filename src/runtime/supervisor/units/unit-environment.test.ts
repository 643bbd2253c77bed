import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readUnit } from '../spec/index.ts';
import { environmentOf } from './unit-environment.ts';
import { newMemory } from './unit-memory.ts';

const FACTS = { machineId: 'm', bootId: 'b', hostname: 'h', runtimeDirectory: '/run' };

function environment(lines: string): Record<string, string> {
  const spec = readUnit('a.service', `[Service]\nExecStart=/bin/true\n${lines}\n`, FACTS);
  if (typeof spec === 'string') assert.fail(spec);
  return environmentOf(spec.service!.context, newMemory('a.service', 'h'), {});
}

test('a user without home and shell has neither in its environment', () => {
  const { HOME, SHELL, USER, LOGNAME } = environment('User=nobody');
  assert.deepEqual([HOME, SHELL, USER, LOGNAME], [undefined, undefined, 'nobody', 'nobody']);
  assert.deepEqual([environment('User=root')['HOME'], environment('User=daemon')['SHELL']], ['/root', undefined]);
});

test('Environment= passes over what systemd passes over', () => {
  const { A, B, C, D } = environment('Environment=A=1 B=\\d C=1\nEnvironment="A=a b" \'D=\\x41\' "B=open');
  assert.deepEqual([A, B, C, D], ['a b', undefined, undefined, 'A']);
});
