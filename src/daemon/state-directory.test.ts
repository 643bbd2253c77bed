import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { systemClock as clock, createLog, systemRandom as random, silentLog, uptimeMs } from '../lib/index.ts';
import { StateDirectory } from './state-directory.ts';

const directory = mkdtempSync(path.join(tmpdir(), 'flotilla-state-'));
after(() => rmSync(directory, { recursive: true }));
const state = new StateDirectory(directory, silentLog);
const nowMs = clock.monotonic();
const promise = { units: ['a.service', 'b@1.socket'], stopAtMs: nowMs + 4000, endMs: nowMs + 6000 };

test('a promise is read again by the next fleetd of the same boot', () => {
  state.promiseMemory('boot-1', clock).save(promise);
  const found = state.promiseMemory('boot-1', clock).load()!;
  assert.deepEqual(found.units, promise.units);
  assert.ok(Math.abs(found.stopAtMs - promise.stopAtMs) < 100, `${found.stopAtMs - promise.stopAtMs}`);
  assert.ok(Math.abs(found.endMs - promise.endMs) < 100, `${found.endMs - promise.endMs}`);
  assert.equal(state.promiseMemory('boot-2', clock).load(), undefined);
});

test('the guard finds times of uptime in it', () => {
  state.promiseMemory('boot-1', clock).save(promise);
  const [boot, ...rest] = readFileSync(path.join(directory, 'stop-promise'), 'utf8').trim().split(' ');
  const offsetMs = uptimeMs() - clock.monotonic();
  assert.equal(boot, 'boot-1');
  for (const [index, ms] of [promise.stopAtMs, nowMs + 5000, promise.endMs].entries())
    assert.ok(Math.abs(Number(rest[index]) * 10 - ms - offsetMs) < 100, rest[index]);
  assert.deepEqual(rest.slice(3), promise.units);
});

test('a promise is renewed whatever stands where it is put together, or the guard would keep the old one', () => {
  const memory = state.promiseMemory('boot-1', clock);
  memory.save(promise);
  mkdirSync(path.join(directory, 'stop-promise.new'));
  memory.save({ ...promise, units: ['a.service'], endMs: promise.endMs + 60_000 });
  const found = memory.load()!;
  assert.deepEqual(found.units, ['a.service']);
  assert.ok(Math.abs(found.endMs - promise.endMs - 60_000) < 100, `${found.endMs - promise.endMs}`);
});

describe('on a disk that is full', { skip: process.getuid!() !== 0 && 'needs root' }, () => {
  const full = mkdtempSync(path.join(tmpdir(), 'flotilla-full-'));
  before(() => execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=8k', 'tmpfs', full]));
  after(() => {
    execFileSync('umount', [full]);
    rmSync(full, { recursive: true });
  });
  /** Fills the file system to the last byte. */
  const fill = () => assert.throws(() => writeFileSync(path.join(full, 'filler'), Buffer.alloc(1 << 16)), /ENOSPC/);
  const many = Array.from({ length: 500 }, (_, index) => `many-${index}.service`);

  test('the first promise is refused, every time, and nothing of it is there', () => {
    const memory = new StateDirectory(full, silentLog).promiseMemory('boot-1', clock);
    fill();
    for (let round = 0; round < 3; round++) assert.throws(() => memory.save(promise), /ENOSPC/);
    assert.equal(memory.load(), undefined);
  });

  test('a promise is renewed in its place; one that is too long for that leaves the one before it whole', () => {
    const memory = new StateDirectory(full, silentLog).promiseMemory('boot-1', clock);
    rmSync(path.join(full, 'filler'));
    memory.save(promise);
    fill();
    memory.save({ ...promise, endMs: promise.endMs + 60_000 });
    assert.throws(() => memory.save({ ...promise, units: ['a.service', ...many] }), /ENOSPC/);
    const found = memory.load()!;
    assert.deepEqual(found.units, promise.units);
    assert.ok(Math.abs(found.endMs - promise.endMs - 60_000) < 100, `${found.endMs - promise.endMs}`);
  });
});

test('a promise that is withdrawn is gone', () => {
  const memory = state.promiseMemory('boot-1', clock);
  memory.save(undefined);
  memory.save(undefined);
  assert.equal(memory.load(), undefined);
});

test('the token is made once; where it cannot be written, that is said of the setting', () => {
  const token = state.token(random);
  assert.match(token, /^[0-9a-f]{32}$/);
  assert.equal(new StateDirectory(directory, silentLog).token(random), token);
  const other = new StateDirectory(path.join(directory, 'other'), silentLog);
  rmSync(other.path, { recursive: true });
  assert.throws(() => other.token(random), { code: 'usage', message: /cannot write to state_directory .*other/ });
});

test('a damaged token is replaced with a line in the log; one that cannot be read is left alone', () => {
  const lines: string[] = [];
  const damaged = new StateDirectory(
    path.join(directory, 'damaged'),
    createLog((line) => lines.push(line)),
  );
  const file = path.join(damaged.path, 'token');
  const token = damaged.token(random);
  assert.deepEqual(lines, []);
  const writing = (text: string) => () => writeFileSync(file, text);
  const puttings = [writing(''), writing(token.slice(1)), writing('\0'.repeat(32)), () => mkdirSync(file)];
  for (const put of [...puttings, () => symlinkSync('token', file)]) {
    rmSync(file, { recursive: true });
    put();
    assert.match(damaged.token(random), /^[0-9a-f]{32}$/);
    assert.match(lines.splice(0).join(), new RegExp(`^WARN Token replaced, it was damaged: .* file=${file}$`));
  }
  assert.deepEqual(readdirSync(damaged.path), ['token']);
  rmSync(damaged.path, { recursive: true });
  writeFileSync(damaged.path, '');
  const message = new RegExp(`^cannot read ${file}: .*; .*remove`);
  assert.throws(() => damaged.token(random), { code: 'usage', message });
});

test('a promise that is not whole is none, and the log says so', () => {
  const lines: string[] = [];
  const torn = new StateDirectory(
    path.join(directory, 'torn'),
    createLog((line) => lines.push(line)),
  );
  const file = path.join(torn.path, 'stop-promise');
  const memory = torn.promiseMemory('boot-1', clock);
  memory.save(promise);
  const whole = readFileSync(file, 'utf8');
  for (const left of ['', 'boot-1', 'boot-1 x y z a.service\n', whole.slice(0, -1), whole.slice(0, -9)]) {
    writeFileSync(file, left);
    assert.equal(memory.load(), undefined, left);
    assert.match(lines.splice(0).join(), new RegExp(`^WARN Promise to stop units lost: .* file=${file} `));
  }
  rmSync(file);
  assert.equal(memory.load(), undefined);
  assert.deepEqual(lines, []);
});

test('a lease that is no number is none, and the log says so: the store could not be asked for it', () => {
  const lines: string[] = [];
  const log = createLog((line) => lines.push(line));
  const memory = new StateDirectory(path.join(directory, 'lease'), log).leaseMemory('boot-1');
  memory.save('1252106995332017969');
  assert.equal(memory.load(), '1252106995332017969');
  assert.deepEqual(lines, []);
  writeFileSync(path.join(directory, 'lease', 'lease'), 'boot-1 1252106995332017;69\n');
  assert.equal(memory.load(), undefined);
  assert.match(lines.join(), /^WARN Lease of the last start unknown, .* file=.*lease\/lease$/);
});
