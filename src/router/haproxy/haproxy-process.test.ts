import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { checkConfiguration } from './haproxy-process.ts';

const skip = spawnSync('haproxy', ['-v']).status === 0 ? false : 'haproxy is not installed (apt install haproxy)';

test('a configuration that HAProxy refuses is refused with what it has against it', { skip }, async (t) => {
  const directory = mkdtempSync(path.join(os.tmpdir(), 'haproxy-'));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  const file = path.join(directory, 'haproxy.cfg');
  writeFileSync(file, 'global\n    nonsense\n');
  const sentence = /^HAProxy refuses its configuration: parsing \[.*haproxy\.cfg:2\] : unknown keyword 'nonsense'/;
  await assert.rejects(checkConfiguration(file), { code: 'invalid', message: sentence });
});
