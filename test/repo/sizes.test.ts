import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sources } from './sources.ts';

const LINES = 400;
const TEST_LINES = 600;

test('no file is longer than a reader can hold', () => {
  const found = sources('src/**/*.ts', 'test/**/*.ts', 'bench/**/*.ts', 'scripts/**/*')
    .map(({ file, text }) => ({ file, lines: text.split('\n').length - 1 }))
    .filter(({ file, lines }) => lines > (file.endsWith('.test.ts') || file.startsWith('test/') ? TEST_LINES : LINES))
    .map(({ file, lines }) => `${file}: ${lines} lines`);
  assert.deepEqual(found, []);
});

test('files are named in kebab-case', () => {
  const found = sources('src/**/*.ts', 'test/**/*.ts', 'scripts/**/*.ts')
    .map(({ file }) => file)
    .filter((file) => !/^([a-z0-9-]+\/)+[a-z0-9-]+(\.test)?\.ts$/.test(file));
  assert.deepEqual(found, []);
});
