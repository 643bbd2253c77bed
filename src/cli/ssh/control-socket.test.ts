import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, statSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, test } from 'node:test';
import { controlSocketPath } from './control-socket.ts';

const folder = mkdtempSync(join(tmpdir(), 'fl-ctl-'));
after(() => rmSync(folder, { recursive: true }));

test('the same words give the same path, in a directory that is ours alone', () => {
  const env = { XDG_RUNTIME_DIR: join(folder, 'run') };
  const path = controlSocketPath(['core', 'a'], env);
  assert.equal(path, controlSocketPath(['core', 'a'], env));
  assert.notEqual(path, controlSocketPath(['cor', 'ea'], env));
  assert.equal(dirname(path), join(folder, 'run', 'fleetctl'));
  assert.equal(statSync(dirname(path)).mode & 0o777, 0o700);
});

test('a directory that others can look into, is a link, or whose path is too long for a socket, is passed over', () => {
  const home = join(folder, 'home');
  mkdirSync(home);
  const open = join(folder, 'open');
  mkdirSync(join(open, 'fleetctl'), { recursive: true });
  chmodSync(join(open, 'fleetctl'), 0o755);
  const linked = join(folder, 'linked');
  mkdirSync(linked);
  symlinkSync(join(folder, 'run'), join(linked, 'fleetctl'));
  for (const XDG_RUNTIME_DIR of [open, linked, join(folder, 'x'.repeat(80)), '/proc/none']) {
    const path = controlSocketPath(['a'], { XDG_RUNTIME_DIR, HOME: home });
    assert.equal(dirname(path), join(home, '.fleetctl', 'ssh'), XDG_RUNTIME_DIR);
  }
  const path = controlSocketPath(['a'], { HOME: join(folder, 'y'.repeat(80)) });
  assert.equal(dirname(path), `/tmp/fleetctl-${process.getuid!()}`);
  assert.ok(path.length + 17 < 108);
});
