import assert from 'node:assert/strict';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { allProcesses, argumentsOf } from '../../src/lab/process-identity.ts';
import { removeUnlessFile } from '../../src/lib/index.ts';
import { until } from '../../src/lib/test-until.ts';
import { LabFixture } from '../e2e/lab-fixture.ts';
import { TAMPERINGS } from './tamperings.ts';

/** How long the unit sleeps, by which its processes are known. */
const SLEEPS = `86400.7${process.pid}`;
/** What a lab reads again besides lab.json; the machine's own files are fleetd's (fleetd-tampered.test.ts). */
const FILES = ['store.ready', 'store.log', 'm1/fleet.conf', 'm1/fleetd.log', 'm1/fleetd.log.1', 'm1/state/ready.json'];
/** For what else the lab could not tell from its own files: all of them have to be tried with lab.json alone. */
const WAYS = ['is empty', 'is garbage', 'is a directory', 'is a link to nothing', 'is a FIFO', 'is huge'];

function running(): readonly number[] {
  return allProcesses().flatMap(({ pid }) => (argumentsOf(pid)[1] === SLEEPS ? [pid] : []));
}

describe('a lab with tampered files', () => {
  const lab = new LabFixture();
  const at = (name: string) => path.join(lab.directory, name);
  before(async () => {
    await lab.up('--machines', '1');
    const file = path.join(lab.folder, 'a.service');
    writeFileSync(file, `[Service]\nExecStart=/bin/sleep ${SLEEPS}\nRestart=always\n`);
    await lab.ok('start', file);
  });
  after(() => lab.dispose());

  test('is refused in one sentence by its commands while lab.json is damaged, and as it was once that is put back', async () => {
    const whole = readFileSync(at('lab.json'));
    const [pid] = running();
    for (const [what, tamper] of Object.entries(TAMPERINGS)) {
      tamper(at('lab.json'));
      const { status, out, err } = await lab.run('lab', 'status');
      if (status !== 0) {
        const sentence =
          /^\S+lab\.json (is damaged|cannot be read) \(.*\): mend it, or .*\n$|^\S+ holds a lab but its \S+ is missing: .*\n$/;
        assert.match(err, sentence, what);
      } else assert.match(out, /10\.|127\./, what);
      // It looks for a machine elsewhere, and neither waits nor fails for the file's sake.
      const listed = await lab.run('list-machines', '--request-timeout', '5');
      assert.doesNotMatch(listed.err, /^\s+at /m, what);
      rmSync(at('lab.json'), { recursive: true, force: true });
      writeFileSync(at('lab.json'), whole);
      assert.deepEqual(running(), [pid], what);
    }
    assert.match(await lab.ok('list-units', '--no-legend'), /a\.service/);
  });

  test('starts its machine again whatever has become of its other files, and the unit runs on, once', async () => {
    const [pid] = running();
    for (const what of WAYS) {
      await lab.ok('lab', 'kill', '--daemon-only', '1');
      for (const name of FILES) {
        removeUnlessFile(at(name));
        writeFileSync(at(name), 'text', { flag: 'a' });
        TAMPERINGS[what]!(at(name));
      }
      await lab.ok('lab', 'revive', '1');
      await until(`${what}: the unit is listed`, async () => (await lab.whereActive('a.service')) !== undefined);
      assert.deepEqual(running(), [pid], what);
      await lab.ok('lab', 'status');
    }
  });

  test('goes down and up again with tampered files, of its lock too', async () => {
    for (const name of [...FILES, 'lab.lock']) {
      writeFileSync(at(name), 'text', { flag: 'a' });
      TAMPERINGS['is garbage']!(at(name));
    }
    await lab.ok('lab', 'down');
    assert.deepEqual(running(), []);
    await lab.ok('lab', 'up', '--detach');
    await until('the unit runs', () => running().length === 1, 60_000);
  });
});
