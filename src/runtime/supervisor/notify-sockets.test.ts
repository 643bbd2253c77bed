import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { systemClock as clock, createLog, systemRandom as random } from '../../lib/index.ts';
import { NotifySockets } from './notify-sockets.ts';

test('a socket that cannot be had is refused, and the others do not wait for it', { timeout: 20_000 }, async (t) => {
  const directory = mkdtempSync(path.join(tmpdir(), 'flotilla-notify-'));
  const lines: string[] = [];
  const sockets = new NotifySockets({
    directory,
    ...{ clock, random },
    log: createLog((line) => lines.push(line)),
    receive: () => {},
  });
  t.after(() => {
    sockets.forget('good.service');
    sockets.forget('bad.service');
    rmSync(directory, { recursive: true });
  });
  if (sockets.problem() !== undefined) return t.skip('perl is not installed (apt install perl)');
  // Nothing can be bound where something else stands that cannot be removed.
  mkdirSync(sockets.addressOf('bad.service'));
  const [bad, good] = await Promise.all([sockets.listen('bad.service'), sockets.listen('good.service')]);
  assert.match(bad ?? '', /in use/);
  assert.equal(good, undefined);
  assert.deepEqual(lines, []);
});
