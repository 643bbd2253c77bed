import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { systemClock as clock, systemRandom as random, silentLog } from '../../lib/index.ts';
import { openSupervisor } from './open-supervisor.ts';
import { powerOff } from './power-off.ts';
import { SupervisorDirectory } from './state-directory.ts';
import { newMemory } from './units/index.ts';

const root = mkdtempSync(path.join(tmpdir(), 'flotilla-memory-'));
after(() => rmSync(root, { recursive: true, force: true }));

/** Writes a unit's memory, now full of the one letter and now of the other, until it is killed. */
const WRITER = `
  const { SupervisorDirectory } = await import(${JSON.stringify(new URL('./state-directory.ts', import.meta.url).href)});
  const { newMemory } = await import(${JSON.stringify(new URL('./units/index.ts', import.meta.url).href)});
  const directory = new SupervisorDirectory(process.argv[1]);
  const of = (letter, length) => ({ ...newMemory('a.service', 'h'), statusText: letter.repeat(length) });
  const memories = [of('a', 6_000_000), of('b', 6_300_000)];
  process.stdout.write('begun');
  for (;;) for (const memory of memories) directory.writeMemory(memory);
`;

test('what a unit remembers is whole whenever its writer is killed, however much it is', async () => {
  const directory = new SupervisorDirectory(root);
  directory.open();
  directory.writeUnitFile('a.service', 'text');
  directory.writeMemory({ ...newMemory('a.service', 'h'), statusText: 'c' });
  for (let round = 0; round < 5; round++) {
    const args = ['--input-type=module', '--eval', WRITER, root];
    const writer = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    await once(writer.stdout, 'data');
    await clock.sleep(10 + 4 * round);
    writer.kill('SIGKILL');
    await once(writer, 'close');
    const [unit] = directory.readUnits();
    assert.ok(unit, `nothing is left of the unit after round ${round}`);
    assert.equal(new Set(unit.memory.statusText).size, 1);
  }
});

test('on a full disk there is no key for the lock, rather than an empty one', {
  skip: process.getuid!() !== 0 && 'mounting a small disk takes root',
}, (t) => {
  const disk = path.join(root, 'disk');
  mkdirSync(disk);
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=8k', 'tmpfs', disk]);
  t.after(() => execFileSync('umount', [disk]));
  const filler = path.join(disk, 'filler');
  assert.throws(() => writeFileSync(filler, Buffer.alloc(1 << 16)), /ENOSPC/);
  const directory = new SupervisorDirectory(disk);
  for (let round = 0; round < 2; round++) assert.throws(() => directory.lockNames(random), /ENOSPC/);
  assert.deepEqual(readdirSync(disk), ['filler']);
  rmSync(filler);
  const names = directory.lockNames(random);
  assert.throws(() => writeFileSync(filler, Buffer.alloc(1 << 16)), /ENOSPC/);
  assert.deepEqual(directory.lockNames(random), names, 'the key that is there is used, however full the disk');
  const other = mkdtempSync(path.join(root, 'other-'));
  assert.notDeepEqual(new SupervisorDirectory(other).lockNames(random), names);
});

function remade(file: string): string {
  rmSync(file);
  return file;
}

test('a key of the lock from which anybody could make the names is refused; powerOff makes room for another one', async () => {
  const damaged = mkdtempSync(path.join(root, 'damaged-'));
  const directory = new SupervisorDirectory(damaged);
  const file = path.join(damaged, 'lock-key');
  directory.lockNames(random);
  const spawned = { command: '/nonexistent', args: [] };
  const options = { directory: damaged, spawn: spawned, clock, random, log: silentLog, machineId: '0'.repeat(32) };
  for (const tamper of [
    () => writeFileSync(file, ''),
    () => writeFileSync(file, readFileSync(file).subarray(0, 32)),
    () => mkdirSync(path.join(remade(file), 'within'), { recursive: true }),
    () => symlinkSync('/nonexistent/flotilla', remade(file)),
    () => symlinkSync('lock-key', remade(file)),
  ]) {
    const refused = { code: 'damaged', message: new RegExp(`^cannot use ${file}: .*; .*remove the file$`) };
    tamper();
    assert.throws(() => directory.lockNames(random), refused);
    await assert.rejects(openSupervisor(options), refused);
    await powerOff({ directory: damaged });
    assert.equal(directory.lockNames(random).length, 64);
  }
});
