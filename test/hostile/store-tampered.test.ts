import assert from 'node:assert/strict';
import {
  chmodSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { startChild, tryStartChild } from '../contract/store-child.ts';
import { connectTo } from '../contract/store-servers.ts';

const root = mkdtempSync(path.join(tmpdir(), 'flotilla-tampered-'));
after(() => rmSync(root, { recursive: true, force: true }));

/** Everything that a store keeps. A new file has to be added here, and so is tampered with. */
const FILES = ['data.mdb', 'data.mdb-lock', 'format', 'lock'];

/** What may have become of a file, and of what was half done when the power went. */
const TAMPERINGS: Readonly<Record<string, (file: string) => void>> = {
  'is empty': (file) => writeFileSync(file, ''),
  'has lost its second half': (file) => cut(file, 0.5),
  'has lost its last byte': (file) => cut(file, 1, -1),
  'has one byte only': (file) => writeFileSync(file, readFileSync(file).subarray(0, 1)),
  'has a flipped bit': (file) => flip(file),
  'is garbage': (file) => writeFileSync(file, Buffer.alloc(5000, 'garbage\n')),
  'is a directory': (file) => {
    rmSync(file);
    mkdirSync(path.join(file, 'within'), { recursive: true });
  },
  'is a link to itself': (file) => {
    rmSync(file);
    symlinkSync(path.basename(file), file);
  },
  'is a link to nothing': (file) => {
    rmSync(file);
    symlinkSync('/nonexistent/flotilla', file);
  },
  'is gone': (file) => rmSync(file),
  'cannot be read': (file) => chmodSync(file, 0),
  'has a temporary beside it': (file) => writeFileSync(`${file}.new`, 'half'),
};

function cut(file: string, share: number, more = 0): void {
  const bytes = readFileSync(file);
  writeFileSync(file, bytes.subarray(0, Math.max(0, Math.floor(bytes.length * share) + more)));
}

function flip(file: string): void {
  const bytes = readFileSync(file);
  // Not by the seed: LMDB has no sums by which a changed value could be told.
  if (bytes.length > 0) bytes[7919 % bytes.length]! ^= 2;
  writeFileSync(file, bytes);
}

test('a store with a tampered file serves all that it held, or refuses in one sentence that names the file', async () => {
  const whole = path.join(root, 'whole');
  const first = await startChild(whole);
  const client = connectTo(first.endpoint);
  for (let i = 0; i < 200; i++) await client.commit([], [{ put: `k${i}`, value: 'v'.repeat(200) }]);
  await client.close();
  await first.kill();
  assert.deepEqual(readdirSync(whole).sort(), FILES);
  for (const name of FILES)
    for (const [what, tamper] of Object.entries(TAMPERINGS)) {
      const directory = path.join(root, 'tampered');
      rmSync(directory, { recursive: true, force: true });
      cpSync(whole, directory, { recursive: true });
      tamper(path.join(directory, name));
      await assertServesOrRefuses(directory, `${name} ${what}`);
    }
});

async function assertServesOrRefuses(directory: string, what: string): Promise<void> {
  const started = await tryStartChild(directory);
  if ('stderr' in started) {
    const lines = started.stderr.trimEnd().split('\n');
    assert.equal(lines.length, 1, `${what}: ${started.stderr}`);
    assert.ok(lines[0]!.includes(directory), `${what}: names its place: ${started.stderr}`);
    assert.match(lines[0]!, /restore it from a backup|: remove it$/, `${what}: says what to do: ${started.stderr}`);
    return;
  }
  const client = connectTo(started.endpoint);
  try {
    const { entries } = await client.list({ from: 'k', to: 'l' });
    assert.equal(entries.length, 200, `${what}: it lost keys in silence`);
    await client.commit([], [{ put: 'after', value: '' }]);
    assert.doesNotMatch(started.said(), /^\s+at /m, what);
  } finally {
    await client.close();
    await started.kill();
  }
}
