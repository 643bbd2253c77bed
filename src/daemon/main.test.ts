import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { VERSION } from '../lib/index.ts';

function fleetd(...args: readonly string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(import.meta.dirname, 'main.ts'), ...args], {
    encoding: 'utf8',
  });
  return { status, stdout, stderr };
}

test('fleetd tells its version, written in every way', () => {
  for (const line of ['--version', '-version', '-v', 'version']) {
    assert.deepEqual(fleetd(line), { status: 0, stdout: `fleetd version ${VERSION}\n`, stderr: '' }, line);
  }
});

test('a named file that is not there, and what is no flag, end it with a sentence', () => {
  for (const [args, message] of [
    [
      ['--config', '/no/such.conf'],
      /^fleetd: cannot read configuration file \/no\/such\.conf: no such file or directory\n$/,
    ],
    [
      ['-config=/no/such.conf'],
      /^fleetd: cannot read configuration file \/no\/such\.conf: no such file or directory\n$/,
    ],
    [['--frob'], /^fleetd: unknown option '--frob': fleetd --help shows how it is used\n$/],
  ] as const) {
    const { status, stdout, stderr } = fleetd(...args);
    assert.deepEqual([status, stdout], [1, '']);
    assert.match(stderr, message);
  }
});

test('fleetd does not start where NODE_OPTIONS opens the inspector', () => {
  const main = join(import.meta.dirname, 'main.ts');
  const env = { ...process.env, NODE_OPTIONS: '--inspect=127.0.0.1:0' };
  const { status, stderr } = spawnSync(process.execPath, [main, '--version'], { encoding: 'utf8', env });
  assert.equal(status, 1);
  assert.match(stderr, /^fleetd: NODE_OPTIONS opens the inspector of Node, .*: take --inspect out of it$/m);
});
