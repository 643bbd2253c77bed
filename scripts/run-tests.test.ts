import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { root, unskipLines } from './run-tests.ts';

test('one line installs all that was missing', () => {
  assert.deepEqual(
    unskipLines([
      'missing ssh: apt-get install openssh-server bsdutils',
      'haproxy is not installed (apt install haproxy)',
      'haproxy is not installed (apt install haproxy)',
      'needs root',
      'running docker takes root',
    ]),
    [
      'To run what was skipped: apt-get install bsdutils haproxy openssh-server',
      'To run 2 of what was skipped: become root',
    ],
  );
  assert.deepEqual(unskipLines([]), []);
});

test('npm test ends with it, and in CI a skipped test has failed', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'fl-tests-'));
  try {
    mkdirSync(path.join(folder, 'inner'));
    const skip = "{ skip: 'x is not there: apt-get install x-tools' }";
    writeFileSync(
      path.join(folder, 'inner', 'a.test.ts'),
      `import { test } from 'node:test';\ntest('well', () => {});\ntest('not here', ${skip}, () => {});\n`,
    );
    const run = (CI: string) =>
      spawnSync(process.execPath, ['scripts/test.ts', path.relative(root, folder)], {
        cwd: root,
        encoding: 'utf8',
        env: { ...process.env, CI, NODE_TEST_CONTEXT: undefined },
      });
    const here = run('');
    assert.match(
      here.stdout,
      /\nTo run what was skipped: apt-get install x-tools\n1 passed, 0 failed, 1 skipped\n$/,
      here.stderr,
    );
    assert.equal(here.status, 0);
    const inCi = run('true');
    assert.match(inCi.stdout, /skipped, which counts as failed here[\s\S]*\n1 passed, 1 failed\n$/);
    assert.equal(inCi.status, 1);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
