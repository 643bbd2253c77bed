import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { until } from '../../src/lib/test-until.ts';

import { SteadyLab } from './steady-lab.ts';

const TICK = '[Service]\nExecStart=/bin/sh -c "while :; do echo tick; sleep 0.1; done"\n';

/** A lab on a small file system of its own. */
class SmallDisk extends SteadyLab {
  /** What keeps it from being had here, for the test's skip. */
  static why(): string | undefined {
    if (process.getuid!() !== 0) return 'mounting a small file system takes root';
    const { status, stderr } = spawnSync('unshare', ['-m', 'mount', '-t', 'tmpfs', 'tmpfs', '/mnt'], {
      encoding: 'utf8',
    });
    return status === 0 ? undefined : `nothing can be mounted here: ${stderr}`;
  }

  mount(): void {
    assert.equal(spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=16m', 'tmpfs', this.folder]).status, 0);
  }

  /** Takes all the room there is, until `free`. */
  fill(): void {
    const { stderr } = spawnSync('sh', ['-c', `cat /dev/zero > ${this.folder}/filling`], { encoding: 'utf8' });
    assert.match(stderr, /No space left/);
  }

  free(): void {
    rmSync(path.join(this.folder, 'filling'));
  }

  override async dispose(): Promise<void> {
    await this.run('lab', 'down', '--wipe');
    spawnSync('umount', [this.folder]);
    await super.dispose();
  }
}

describe('a full disk', { skip: SmallDisk.why() ?? false }, () => {
  const lab = new SmallDisk();
  before(async () => {
    lab.mount();
    await lab.up('--machines', '2');
  });
  after(() => lab.dispose());

  test('units run on and can be asked about; what cannot be written says so; all goes on once there is room', async () => {
    await lab.ok('start', lab.write('tick.service', TICK));
    const submit = lab.write('many@.service', '[Service]\nExecStart=/bin/sleep 1000\n').replace('.service', '');
    lab.fill();

    // Until the store has used up what it had put by, some writes still succeed.
    let submitted = 0;
    const refusal =
      /the store cannot write to .*: the disk is full; nothing was changed, free some space and try again/;
    await until('the store refuses to write', async () => {
      const { status, err } = await lab.run('submit', `${submit}${submitted}`);
      submitted += status === 0 ? 1 : 0;
      return status === 1 && refusal.test(err);
    });
    assert.match(await lab.ok('list-units'), /^tick\.service\t.*\tactive\trunning$/m);
    assert.match(await lab.ok('status', 'tick'), /Active: active \(running\)/);
    assert.equal((await lab.ok('list-machines', '--no-legend')).split('\n').length - 1, 2);
    await lab.assertUnharmed();

    lab.free();
    await until(
      'a new unit can be started',
      async () => (await lab.run('start', '--timeout', '5s', `${submit}new`)).status === 0,
    );
    const files = (await lab.ok('list-unit-files', '--no-legend')).trimEnd().split('\n');
    assert.equal(files.length, submitted + 2, 'what was acknowledged is there');
    assert.match(
      await lab.ok('list-units'),
      /^many@new\.service\t.*\tactive\trunning\ntick\.service\t.*\tactive\trunning$/m,
    );
    await lab.assertUnharmed();
  });

  test('a unit whose file finds no room is refused by its machine, and runs by itself once there is', async () => {
    const big = lab.write(
      'big.service',
      `[Unit]\n${`X-Padding=${'x'.repeat(1000)}\n`.repeat(20)}[Service]\nExecStart=/bin/sleep 1000\n`,
    );
    await lab.ok('submit', big);
    lab.fill();
    const { err } = await lab.refused(['start', 'big'], 1, /big\.service|disk is full/);
    lab.free();
    if (/could not be loaded/.test(err)) assert.match(err, /its file cannot be written: ENOSPC/);
    else await lab.run('start', 'big');
    await until('it runs', () => lab.whereActive('big.service'));
    await lab.assertUnharmed();
  });

  test('a lab on a full disk can be thrown away', async () => {
    lab.fill();
    await lab.refused(['lab', 'up', '--detach', '--machines', '3'], 1, /the disk is full, make room and try again/);
    assert.match(await lab.ok('lab', 'down', '--wipe'), /is gone/);
  });
});

describe('a corrupted lab directory', () => {
  const lab = new SteadyLab();
  const good = path.join(lab.folder, 'good');
  before(async () => {
    await lab.up('--machines', '2');
    await lab.ok('start', lab.write('tick.service', TICK));
    await lab.ok('lab', 'down');
    cpSync(lab.directory, good, { recursive: true });
  });
  after(() => lab.dispose());

  const at = (...names: string[]) => path.join(lab.directory, ...names);

  async function restored(): Promise<void> {
    await lab.run('lab', 'down');
    rmSync(lab.directory, { recursive: true });
    cpSync(good, lab.directory, { recursive: true });
  }

  test('a store that is not whole is refused with what to do, and left as it is', async () => {
    const data = at('store', 'data.mdb');
    const cases: readonly [string, () => void, RegExp][] = [
      [
        'its beginning',
        () => overwrite(data, 0, 8192),
        /store cannot be used: its data file .*; restore it from a backup/,
      ],
      ['its end', () => truncateSync(data, 5000), /store cannot be used: its data file .*; restore it from a backup/],
      ['its format', () => writeFileSync(at('store', 'format'), 'x\n'), /its file format is garbled; restore it/],
      ['all of it', () => rmSync(at('store'), { recursive: true }), /the lab's units are missing: .*put it back/],
      ['lab.json', () => rmSync(at('lab.json')), /lab\.json is missing: put it back/],
    ];
    for (const [what, damage, words] of cases) {
      damage();
      const damaged = readOr(data);
      await lab.refused(['lab', 'up', '--detach'], 1, words);
      assert.deepEqual(readOr(data), damaged, `${what}: the data is as it was`);
      await restored();
    }
    await lab.ok('lab', 'up', '--detach');
    await until('the unit is back', () => lab.whereActive('tick.service'));
    await lab.ok('lab', 'down');
  });

  test('what a machine keeps may be lost or garbled: it is made anew, and the units run', async () => {
    const cases: readonly (() => void)[] = [
      () => rmSync(at('m1'), { recursive: true }),
      () => {
        // All but the key of the supervisor's lock, which fleetd asks people to remove: src/runtime/supervisor has tests of it.
        const files = spawnSync('find', [at('m1'), '-type', 'f', '-not', '-name', 'lock-key'], { encoding: 'utf8' })
          .stdout.trim()
          .split('\n');
        for (const file of files) writeFileSync(file, 'garbage');
      },
    ];
    for (const damage of cases) {
      damage();
      await lab.ok('lab', 'up', '--detach');
      await until('the unit is back', () => lab.whereActive('tick.service'));
      assert.equal((await lab.machines()).filter(({ state }) => state === 'up').length, 2);
      await restored();
    }
  });

  test('a machine whose directory cannot be used does not keep the others back', async () => {
    rmSync(at('m1'), { recursive: true });
    writeFileSync(at('m1'), 'in the way');
    await lab.refused(
      ['lab', 'up', '--detach'],
      1,
      /machine 1 cannot use .*m1 \(not a directory\): move away what is there/,
    );
    await until('the unit is back', () => lab.whereActive('tick.service'));
    rmSync(at('m1'));
    await lab.ok('lab', 'revive', '1');
    assert.equal((await lab.machines()).filter(({ state }) => state === 'up').length, 2);
  });
});

function overwrite(file: string, from: number, bytes: number): void {
  const content = readFileSync(file);
  content.fill(0, from, from + bytes);
  writeFileSync(file, content);
}

function readOr(file: string): Buffer | undefined {
  try {
    return readFileSync(file);
  } catch {
    return undefined;
  }
}
