import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sources } from './sources.ts';

const files = sources(
  '*',
  'src/**/*.*',
  'test/**/*.*',
  'scripts/**/*',
  'bin/*',
  'init/*',
  'bench/**/*',
  'docs/**/*.*',
  'examples/**/*.*',
  '.ci/run',
).filter(({ file }) => !['package-lock.json', 'LICENSE', 'test/repo/words.test.ts'].includes(file));

/** The project's files speak of the project: not of the computer, the tools or the way in which they were made. */
const FOREIGN: readonly RegExp[] = [
  /\/(work|tmp)\/(main|shared|helpers)\b/,
  /\/home\/[a-z]+\/(?!\.)/,
  /\b(as an ai|language model|chatgpt|copilot|generated (by|with) \w*ai)\b/i,
  /\bfor now\b/i,
];

test('no file speaks of how or where it was made, or promises to be mended later', () => {
  const found = files.flatMap(({ file, text }) =>
    text
      .split('\n')
      .flatMap((line, index) =>
        FOREIGN.some((pattern) => pattern.test(line)) ? [`${file}:${index + 1}: ${line.trim()}`] : [],
      ),
  );
  assert.deepEqual(found, []);
});

test('every text file ends with one newline', () => {
  const found = files.filter(({ text }) => text !== '' && !/[^\n]\n$/.test(text)).map(({ file }) => file);
  assert.deepEqual(found, []);
});

test('no type name is exported by two files', () => {
  const owners = new Map<string, string[]>();
  for (const { file, text } of sources('src/**/*.ts')) {
    for (const [, name] of text.matchAll(/^export (?:abstract class|class|interface|type|enum) (\w+)/gm))
      owners.set(name!, [...(owners.get(name!) ?? []), file]);
  }
  const twice = [...owners].flatMap(([name, files]) => (files.length > 1 ? [`${name}: ${files.join(', ')}`] : []));
  assert.ok(owners.size > 300, 'the pattern finds the types');
  assert.deepEqual(twice, []);
});
