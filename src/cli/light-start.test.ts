import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';

const FLEETCTL = path.join(import.meta.dirname, '../../bin/fleetctl');
/** Modules of Node that take milliseconds to load, which commands without network must not load. */
const HEAVY = ['net', 'http', 'http2', 'tls', 'dns', 'stream', 'stream/promises', 'fs/promises', 'readline', 'crypto'];

test('commands that only print load no part of Node that they do not use', (t) => {
  const folder = mkdtempSync(path.join(tmpdir(), 'flotilla-light-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const hook = path.join(folder, 'hook.cjs');
  writeFileSync(hook, "process.on('exit', () => process._rawDebug(process.moduleLoadList.join('\\n')));");
  for (const line of ['version', 'help', 'help start']) {
    const command = `"$0" ${line} 2>&1 >/dev/null`;
    const env = { ...process.env, NODE_OPTIONS: `--require ${hook}` };
    const loaded = execFileSync('/bin/sh', ['-c', command, FLEETCTL], { encoding: 'utf8', env }).split('\n');
    assert.ok(loaded.includes('NativeModule fs'), line);
    const heavy = HEAVY.filter((name) => loaded.includes(`NativeModule ${name}`));
    assert.deepEqual(heavy, [], `fleetctl ${line}`);
  }
});

test("fleetctl holds the API's shapes as types alone, without zod", () => {
  const bundled = (name: string) => readFileSync(path.join(path.dirname(FLEETCTL), `../dist/${name}-main.cjs`), 'utf8');
  const holdsZod = (name: string) => bundled(name).includes('ZodDiscriminatedUnion');
  assert.deepEqual([holdsZod('fleetctl'), holdsZod('fleetd')], [false, true]);
});
