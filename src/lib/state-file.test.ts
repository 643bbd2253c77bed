import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { readStateFile, replaceStateFile } from './state-file.ts';

const root = mkdtempSync(path.join(tmpdir(), 'flotilla-state-file-'));
after(() => rmSync(root, { recursive: true, force: true }));

/** What may stand where a file should be, and why it cannot be read. */
const OBSTACLES: Readonly<Record<string, readonly [(file: string) => void, RegExp]>> = {
  'a directory with something in it': [
    (file) => mkdirSync(path.join(file, 'within'), { recursive: true }),
    /it is a directory/,
  ],
  'a FIFO': [(file) => void execFileSync('mkfifo', [file]), /it is no file/],
  'a device': [(file) => symlinkSync('/dev/zero', file), /it is no file/],
  'a link to nothing': [(file) => symlinkSync('/nonexistent/flotilla', file), /ENOENT/],
  'a link to itself': [(file) => symlinkSync(path.basename(file), file), /ELOOP/],
  'a huge file': [
    (file) => {
      writeFileSync(file, '');
      truncateSync(file, 2 ** 30);
    },
    /1073741824 bytes are more than it ever holds/,
  ],
};

for (const [what, [put, why]] of Object.entries(OBSTACLES))
  test(`${what} is not read as a file, and makes room for one`, () => {
    const place = path.join(root, 'file');
    const draft = `${place}.new`;
    for (const obstacle of [place, draft]) {
      put(obstacle);
      assert.throws(() => readStateFile(obstacle), why);
      replaceStateFile(place, 'text');
      assert.equal(readStateFile(place), 'text');
      assert.ok(lstatSync(place).isFile());
      assert.equal(lstatSync(draft, { throwIfNoEntry: false }), undefined);
      rmSync(place);
    }
  });

test('a file that cannot be written stays as it was', () => {
  const directory = path.join(root, 'missing');
  assert.throws(() => replaceStateFile(path.join(directory, 'file'), 'text'), /ENOENT/);
  const file = path.join(root, 'kept');
  replaceStateFile(file, 'before', { mode: 0o640 });
  assert.equal(lstatSync(file).mode & 0o777, 0o640);
  assert.throws(() => replaceStateFile(file, 'after', { draft: path.join(directory, 'draft') }), /ENOENT/);
  assert.equal(readFileSync(file, 'utf8'), 'before');
});

test('a draft that its owner may not write to makes room', () => {
  const file = path.join(root, 'closed');
  writeFileSync(`${file}.new`, 'half');
  chmodSync(`${file}.new`, 0);
  replaceStateFile(file, 'text');
  assert.equal(readStateFile(file), 'text');
});
