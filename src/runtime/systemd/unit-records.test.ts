import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { createLog } from '../../lib/index.ts';
import { UnitRecords } from './unit-records.ts';

const directory = mkdtempSync(path.join(tmpdir(), 'flotilla-records-'));
after(() => rmSync(directory, { recursive: true, force: true }));
const TEXT = '[Service]\nExecStart=/bin/sleep infinity\n';

let said: string[] = [];
const open = () =>
  new UnitRecords(
    directory,
    createLog((line) => said.push(line)),
  );

function damaged(file: string, put: (file: string) => void): void {
  rmSync(file, { recursive: true, force: true });
  put(file);
}

/** What may have become of a file. */
const DAMAGES: Readonly<Record<string, (file: string) => void>> = {
  'is empty': (file) => writeFileSync(file, ''),
  'is half': (file) => writeFileSync(file, '{"hash":"h","laun'),
  'is null': (file) => writeFileSync(file, 'null\n'),
  'is no record': (file) => writeFileSync(file, '{"hash":7,"launched":"yes","fileHash":"x","boot":"y"}\n'),
  'has lost its boot': (file) => writeFileSync(file, '{"hash":"h","launched":true,"fileHash":"x"}\n'),
  'is huge': (file) => {
    writeFileSync(file, '');
    truncateSync(file, 2 ** 30);
  },
  'is a directory': (file) => mkdirSync(path.join(file, 'within'), { recursive: true }),
  'is a link to nothing': (file) => symlinkSync('/nonexistent/flotilla', file),
  'is a FIFO': (file) => void execFileSync('mkfifo', [file]),
};

for (const [what, put] of Object.entries(DAMAGES))
  test(`a unit is held, to be loaded again, whose record ${what}`, () => {
    open().write('a.service', 'hash', TEXT);
    const record = path.join(directory, '.flotilla/a.service');
    damaged(record, put);
    said = [];
    const records = open();
    assert.deepEqual([...records.read()], [['a.service', { hash: '', launched: true }]]);
    assert.match(
      said.join('\n'),
      new RegExp(`^ERROR Record of a unit damaged: .* unit=a.service file=${record} error=.*$`),
    );
    assert.equal(records.textOf('a.service'), TEXT, 'systemd may have to read its file until it has stopped');
    records.write('a.service', 'hash', TEXT);
    assert.deepEqual([...records.read()], [['a.service', { hash: 'hash', launched: false }]]);
    damaged(record, put);
    records.remove('a.service');
    assert.deepEqual([...records.read()], []);
  });

for (const [what, put] of Object.entries(DAMAGES))
  test(`a unit is loaded again whose file ${what}, and what stands beside it is no obstacle`, () => {
    open().write('a.service', 'hash', TEXT);
    damaged(path.join(directory, 'a.service'), put);
    for (const name of ['.next', '.unfinished']) damaged(path.join(directory, '.flotilla', name), put);
    const records = open();
    assert.notEqual(records.read().get('a.service')!.hash, 'hash');
    assert.equal(records.unfinished, true, 'systemd is told once too often rather than never');
    records.begin();
    records.write('a.service', 'hash', TEXT);
    records.finish();
    assert.equal(records.unfinished, false);
    assert.equal(readFileSync(path.join(directory, 'a.service'), 'utf8'), TEXT);
    records.remove('a.service');
    assert.deepEqual(readdirSync(path.join(directory, '.flotilla')), []);
  });

test('a unit of an earlier boot is forgotten with its file', () => {
  open().write('a.service', 'hash', TEXT);
  const record = path.join(directory, '.flotilla/a.service');
  writeFileSync(record, JSON.stringify({ ...JSON.parse(readFileSync(record, 'utf8')), boot: 'another' }));
  assert.deepEqual([...open().read()], []);
  assert.deepEqual(readdirSync(directory), ['.flotilla']);
});
