import assert from 'node:assert/strict';
import { chownSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { systemClock as clock, createLog, systemRandom as random } from '../../lib/index.ts';
import { NotifySockets } from './notify-sockets.ts';

test('a socket that cannot be had is refused, and the others do not wait for it', { timeout: 20_000 }, async (t) => {
  const parent = mkdtempSync(path.join(tmpdir(), 'flotilla-notify-'));
  const lines: string[] = [];
  const sockets = new NotifySockets({
    directory: path.join(parent, 'secret'),
    ...{ clock, random },
    log: createLog((line) => lines.push(line)),
    receive: () => {},
  });
  t.after(() => {
    sockets.forget('good.service');
    sockets.forget('bad.service');
    rmSync(parent, { recursive: true });
  });
  if (sockets.problem() !== undefined) return t.skip('perl is not installed (apt install perl)');
  // Nothing can be bound where something else stands that cannot be removed.
  mkdirSync(sockets.addressOf('bad.service'), { recursive: true });
  const [bad, good] = await Promise.all([sockets.listen('bad.service'), sockets.listen('good.service')]);
  assert.match(bad ?? '', /in use/);
  assert.equal(good, undefined);
  assert.deepEqual(lines, []);
});

test('a stranger finds the way to no socket: not in /proc/net/unix, not by looking around', {
  timeout: 20_000,
}, async (t) => {
  const base = mkdtempSync(path.join(tmpdir(), 'flotilla-notify-'));
  const directory = path.join(base, 'parent', 'secret');
  const sockets = new NotifySockets({ directory, clock, random, log: createLog(() => {}), receive: () => {} });
  t.after(() => {
    sockets.forget('a.service');
    rmSync(base, { recursive: true });
  });
  if (sockets.problem() !== undefined) return t.skip('perl is not installed (apt install perl)');
  assert.equal(await sockets.listen('a.service'), undefined);
  const name = path.basename(sockets.addressOf('a.service'));
  const shown = readFileSync('/proc/net/unix', 'utf8');
  assert.match(shown, new RegExp(` ${name}$`, 'm'));
  assert.ok(!shown.includes(directory));
  for (const each of [path.dirname(directory), directory]) assert.equal(statSync(each).mode & 0o777, 0o711);
});

test('a directory for sockets that belongs to another user is refused', {
  skip: process.getuid!() === 0 ? false : 'only root can be several users',
}, async (t) => {
  const base = mkdtempSync(path.join(tmpdir(), 'flotilla-notify-'));
  t.after(() => rmSync(base, { recursive: true }));
  const parent = path.join(base, 'parent');
  mkdirSync(parent);
  chownSync(parent, 65_534, 65_534);
  const directory = path.join(parent, 'secret');
  const sockets = new NotifySockets({ directory, clock, random, log: createLog(() => {}), receive: () => {} });
  if (sockets.problem() !== undefined) return t.skip('perl is not installed (apt install perl)');
  assert.match((await sockets.listen('a.service')) ?? '', /parent belongs to another user \(uid 65534\): move it away/);
});
