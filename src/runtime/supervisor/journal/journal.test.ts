import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  appendFileSync,
  mkdtempSync,
  readdirSync,
  readlinkSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import fc from 'fast-check';
import { systemClock as clock } from '../../../lib/index.ts';
import { formatEntry } from './format-entry.ts';
import { LineBuffer } from './line-buffer.ts';
import { readLog } from './log-reader.ts';
import { LogWriter } from './log-writer.ts';
import { decodeRecord, encodeRecord, entriesOf, type LogEntry, MAX_LINE_BYTES } from './record.ts';

const record = {
  time: 1_700_000_000_123,
  stream: 'stdout',
  pid: 42,
  identifier: 'echo',
  payload: Buffer.from('a\nb'),
} as const;

let root: string;
let unique = 0;
before(() => {
  root = mkdtempSync(path.join(tmpdir(), 'journal-'));
});
after(() => rmSync(root, { recursive: true, force: true }));

const freshDirectory = () => path.join(root, String(++unique));

function open(directory: string, maxFileBytes = 1 << 20): LogWriter {
  return new LogWriter(directory, { clock, maxFileBytes });
}

async function read(directory: string, lines: number): Promise<string[]> {
  const options = { lines, follow: false, signal: AbortSignal.timeout(5000) };
  const found: string[] = [];
  for await (const entry of readLog(directory, options)) found.push(entry.message.toString());
  return found;
}

const write = (writer: LogWriter, text: string) => writer.append('stdout', 1, 'x', Buffer.from(text));

test('a record is read back as it was written, or not at all', () => {
  const bytes = Buffer.concat(encodeRecord(record, [record.payload]));
  assert.deepEqual(decodeRecord(bytes), { record, length: bytes.length });
  for (let length = 0; length < bytes.length; length++)
    assert.equal(decodeRecord(bytes.subarray(0, length)), undefined);
});

test('overlong lines are cut', () => {
  const payload = Buffer.concat([Buffer.alloc(2 * MAX_LINE_BYTES + 5, 'x'), Buffer.from('\nshort')]);
  const lengths = entriesOf({ ...record, payload }).map(({ message }) => message.length);
  assert.deepEqual(lengths, [MAX_LINE_BYTES, MAX_LINE_BYTES, 5, 5]);
});

test('lines come out whole, however the bytes come in', () => {
  const text = fc.array(fc.constantFrom('a', 'bc', '\n', '\n\n', 'long '.repeat(30_000)), { maxLength: 30 });
  fc.assert(
    fc.property(text, fc.array(fc.integer({ min: 1, max: 70_000 }), { minLength: 1 }), (parts, sizes) => {
      const bytes = Buffer.from(parts.join(''));
      const payloads: Buffer[] = [];
      const lines = new LineBuffer((payload) => payloads.push(Buffer.concat(payload)));
      for (let at = 0, turn = 0; at < bytes.length; turn++) {
        const size = sizes[turn % sizes.length]!;
        // The reader reuses its buffer.
        const chunk = Buffer.from(bytes.subarray(at, at + size));
        lines.push(chunk);
        chunk.fill(0);
        at += size;
      }
      lines.end();
      const cut = (all: string) => all.split('\n').flatMap((line) => line.match(/[\s\S]{1,49152}/g) ?? ['']);
      const expected = bytes.length === 0 ? [] : cut(bytes.toString().replace(/\n$/, ''));
      const found = payloads.flatMap((payload) =>
        entriesOf({ ...record, payload }).map(({ message }) => message.toString()),
      );
      assert.equal(found.join(''), expected.join(''));
      assert.ok(found.every((line) => line.length <= MAX_LINE_BYTES));
    }),
    { numRuns: 50 },
  );
});

describe('a log on disk', () => {
  test('what comes after it was closed is taken, and keeps no file open', async () => {
    const directory = freshDirectory();
    const writer = open(directory);
    write(writer, 'in time');
    writer.close();
    write(writer, 'late');
    const opened = readdirSync('/proc/self/fd').map((fd) => {
      try {
        return readlinkSync(`/proc/self/fd/${fd}`);
      } catch {
        return '';
      }
    });
    assert.deepEqual(
      opened.filter((file) => file.startsWith(directory)),
      [],
    );
    assert.deepEqual(await read(directory, 9), ['in time', 'late']);
  });

  test('the newest lines come oldest first, over both files', async () => {
    const directory = freshDirectory();
    const writer = open(directory, 2000);
    for (let index = 0; index < 100; index++) write(writer, `line ${index}`);
    assert.deepEqual(readdirSync(directory).sort(), ['current', 'previous']);
    assert.ok(readdirSync(directory).every((file) => statSync(path.join(directory, file)).size <= 2000));
    assert.deepEqual(await read(directory, 2), ['line 98', 'line 99']);
    assert.deepEqual(await read(directory, 0), []);
    const all = await read(directory, 1_000_000);
    assert.ok(all.length > 60, String(all.length));
    assert.deepEqual(
      all,
      Array.from({ length: all.length }, (_, index) => `line ${100 - all.length + index}`),
    );
    for (let lines = 1; lines <= all.length; lines++) assert.deepEqual(await read(directory, lines), all.slice(-lines));
  });

  test('a log that nobody wrote is empty', async () => {
    assert.deepEqual(await read(freshDirectory(), 10), []);
  });

  test('records of many lines give just the lines that are asked for', async () => {
    const directory = freshDirectory();
    const writer = open(directory);
    write(writer, 'a\nb\nc');
    write(writer, 'd\ne');
    assert.deepEqual(await read(directory, 4), ['b', 'c', 'd', 'e']);
  });

  test('what a crash left half-written is cut off before more is written', async () => {
    const directory = freshDirectory();
    let writer = open(directory);
    write(writer, 'one');
    write(writer, 'two');
    writer.close();
    const file = path.join(directory, 'current');
    truncateSync(file, statSync(file).size - 3);
    writer = open(directory);
    write(writer, 'three');
    assert.deepEqual(await read(directory, 10), ['one', 'three']);
    writer.close();
    appendFileSync(file, 'garbage');
    writer = open(directory);
    write(writer, 'four');
    assert.deepEqual(await read(directory, 10), ['one', 'three', 'four']);
    writeFileSync(file, '\0'.repeat(5000));
    writer = open(directory);
    write(writer, 'five');
    assert.deepEqual(await read(directory, 10), ['five']);
  });

  test('a follower misses nothing while files are put aside', async () => {
    const directory = freshDirectory();
    const writer = open(directory, 3000);
    const abort = new AbortController();
    const seen: string[] = [];
    const following = (async () => {
      const options = { lines: 5, follow: true, signal: abort.signal };
      for await (const entry of readLog(directory, options)) if (seen.push(entry.message.toString()) === 500) return;
    })();
    for (let index = 0; index < 500; index++) {
      write(writer, `line ${index}`);
      if (index % 10 === 0) await clock.sleep(1);
    }
    await Promise.race([following, clock.sleep(20_000, abort.signal)]);
    abort.abort();
    assert.deepEqual(
      seen,
      Array.from({ length: 500 }, (_, index) => `line ${index}`),
    );
  });

  test('a follower ends when it is told to', async () => {
    const abort = new AbortController();
    const following = readLog(freshDirectory(), { lines: 1, follow: true, signal: abort.signal }).next();
    clock.after(20, () => abort.abort());
    assert.equal((await following).done, true);
  });
});

test('a full disk loses lines, counts them, and nothing else', {
  skip: process.getuid!() !== 0 && 'needs root',
}, async () => {
  const directory = freshDirectory();
  execFileSync('mkdir', ['-p', directory]);
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', directory]);
  try {
    const writer = open(directory);
    const line = 'x'.repeat(1000);
    for (let index = 0; index < 100; index++) write(writer, `${index} ${line}`);
    const before = await read(directory, 1000);
    assert.ok(before.length > 30 && before.length < 64, String(before.length));
    assert.ok(before.every((text, index) => text === `${index} ${line}`));
    execFileSync('mount', ['-o', 'remount,size=1m', directory]);
    write(writer, 'room again');
    const lost = `${100 - before.length} log lines were dropped: the disk was full.`;
    assert.deepEqual((await read(directory, 1000)).slice(before.length), [lost, 'room again']);
    writer.close();
  } finally {
    execFileSync('umount', ['-l', directory]);
  }
});

test('entries look as journalctl prints them', () => {
  const facts = { unit: 'a.service', hostname: 'core-01', machineId: 'm', bootId: 'b-c' };
  const entry: LogEntry = { ...record, message: Buffer.from('hello') };
  const format = (output: string, message: string | Buffer = 'hello') =>
    formatEntry({ ...entry, message: Buffer.from(message) }, output, facts);
  assert.match(format('short')!, /^Nov 1[45] \d\d:\d\d:20 core-01 echo\[42\]: hello$/);
  assert.match(format('short-precise')!, /:20\.123000 core-01 echo\[42\]: hello$/);
  assert.match(format('short-iso')!, /^2023-11-1[45]T\d\d:\d\d:20[+-]\d{4} core-01 echo\[42\]: hello$/);
  assert.match(format('short-full')!, /^(Tue|Wed) 2023-11-1[45] \d\d:\d\d:20 \S+ core-01 echo/);
  assert.equal(format('short-unix'), '1700000000.123000 core-01 echo[42]: hello');
  assert.equal(format('cat', '\x1b[31mred\x1b[0m'), '\x1b[31mred\x1b[0m');
  assert.match(format('short', '\x1b[31mred\x1b[0m\tx')!, /: red {8}x$/);
  assert.match(format('short', Buffer.from([1, 2, 0xff]))!, /: \[3B blob data\]$/);
  const fields = JSON.parse(format('json')!);
  assert.equal(fields.MESSAGE, 'hello');
  assert.equal(fields.__REALTIME_TIMESTAMP, '1700000000123000');
  assert.equal(fields._SYSTEMD_UNIT, 'a.service');
  assert.deepEqual(JSON.parse(format('json', Buffer.from([0xff, 0]))!).MESSAGE, [255, 0]);
  assert.equal(format('verbose-nonsense'), undefined);
});
