import assert from 'node:assert/strict';
import path from 'node:path';
import { test } from 'node:test';
import { checkUnit, parseUnitFile } from '../../src/unitfile/index.ts';
import { sources } from './sources.ts';

const examples = sources('examples/**/*.{service,target,timer,socket,path}');

test('there are examples', () => assert.ok(examples.length > 0));

for (const { file, text } of examples) {
  test(`${file} is a unit without problems`, () => {
    const { options, lines, problems } = parseUnitFile(text);
    assert.deepEqual([...problems, ...checkUnit(path.basename(file), options, lines)], []);
  });
}
