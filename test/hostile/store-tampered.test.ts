import assert from 'node:assert/strict';
import { cpSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { startChild, tryStartChild } from '../contract/store-child.ts';
import { connectTo } from '../contract/store-servers.ts';
import { TAMPERINGS } from './tamperings.ts';

const root = mkdtempSync(path.join(tmpdir(), 'flotilla-tampered-'));
after(() => rmSync(root, { recursive: true, force: true }));

/** Everything that a store keeps. A new file has to be added here, and so is tampered with. */
const FILES = ['data.mdb', 'data.mdb-lock', 'format', 'lock'];

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
