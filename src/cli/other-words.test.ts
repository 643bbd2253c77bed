import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ourWord } from './other-words.ts';
import { findCommand } from './run.ts';

test('second names lead to the same command', () => {
  assert.equal(findCommand('logs').name, 'journal');
  assert.equal(findCommand('ps').name, 'list-units');
});

const MEANT: readonly [word: string, meant: string][] = [
  ['run', 'start'],
  ['rm', 'destroy'],
  ['delete', 'destroy'],
  ['get', 'list-units'],
  ['describe', 'why'],
  ['enable', 'start'],
  ['exec', 'ssh'],
  ['apply', 'start'],
  ['kill', 'stop'],
  ['nodes', 'list-machines'],
  ['daemon-reload', 'submit'],
  ['rollout', 'start --replace'],
];

test('words of docker, nomad, kubectl and systemctl are answered with ours', () => {
  for (const [word, meant] of MEANT) {
    assert.throws(() => findCommand(word), {
      code: 'usage',
      message: `fleetctl: unknown command "${word}". Did you mean ${meant}? Run 'fleetctl help' for the commands there are.`,
    });
  }
});

test('every one of ours that is named exists', () => {
  for (const [word] of MEANT) findCommand(ourWord(word)!.split(' ')[0]!);
});
