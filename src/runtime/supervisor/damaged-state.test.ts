import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync, renameSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import {
  hashOf,
  isAlive,
  load,
  mainPid,
  openHarness,
  service,
  startAndWait,
  unitOf,
  waitFor,
} from '../../../test/contract/runtime-harness.ts';
import { until } from '../../lib/test-until.ts';
import { powerOff } from './power-off.ts';
import { cgroupPathOf } from './process/index.ts';

const TEXT = service('Restart=always\nExecStart=/bin/sleep infinity');

/** Ways to damage a file of the state that belongs to one boot. */
const DAMAGES: Readonly<Record<string, (file: string) => void>> = {
  'is empty': (file) => writeFileSync(file, ''),
  'is half': (file) => writeFileSync(file, readFileSync(file, 'utf8').trimEnd().slice(0, 60)),
  'is no record': (file) => writeFileSync(file, 'null\n'),
  'has a value of another kind': (file) =>
    writeFileSync(file, readFileSync(file, 'utf8').replace('"streams":[', '"streams":7,"was":[')),
  'has the state of a target': (file) =>
    writeFileSync(file, readFileSync(file, 'utf8').replace('"state":"running"', '"state":"active"')),
  'has a process that is none': (file) =>
    writeFileSync(file, readFileSync(file, 'utf8').replace('"main":{"pid":', '"main":{"pid":"x","was":')),
  'is a directory': (file) => {
    rmSync(file);
    mkdirSync(path.join(file, 'within'), { recursive: true });
  },
  'is a link to nothing': (file) => {
    rmSync(file);
    symlinkSync('/nonexistent/flotilla', file);
  },
};

/** Damages a file of a running unit while no supervisor is there; the next one has to say so. */
async function damage(directory: string, file: string, what: string): Promise<void> {
  await killSupervisor(directory);
  DAMAGES[what]!(path.join(directory, file));
}

async function killSupervisor(directory: string): Promise<void> {
  const { pid } = JSON.parse(readFileSync(path.join(directory, 'supervisor.pid'), 'utf8')) as { pid: number };
  process.kill(pid, 'SIGKILL');
  await until('the supervisor has ended', () => !isAlive(pid));
}

function loggedBy(directory: string): string {
  return readFileSync(path.join(directory, 'supervisor.log'), 'utf8');
}

for (const [file, damages, groups] of [
  ['run/memory/a.service', Object.keys(DAMAGES), 'auto'],
  ['run/memory/a.service', ['is empty'], 'tracking'],
  ['run/units/a.service', ['is a directory', 'is a link to nothing'], 'auto'],
  ['run/units/a.service', ['is a directory'], 'tracking'],
] as const) {
  test(`a unit of which ${file} is damaged is named, stopped, and loaded again (${groups})`, async () => {
    for (const what of damages) {
      await using harness = await openHarness({ groups });
      const { directory } = harness;
      await load(harness.runtime, { 'a.service': TEXT });
      await startAndWait(harness.runtime, 'a.service');
      const old = await mainPid(harness.runtime, 'a.service');
      await harness.runtime.close();
      await damage(directory, file, what);
      await using next = await openHarness({ directory, groups });
      const { runtime } = next;
      const said = loggedBy(directory);
      assert.match(said, new RegExp(`State of a unit damaged: .* unit=a.service file=${directory}/${file}`), what);
      assert.doesNotMatch(said, /^\s+at /m, what);
      // Without control groups nothing tells whose a process was, which the line says.
      if (said.includes('it is stopped')) await until(`${what}: it has ended`, () => !isAlive(old));
      else {
        assert.match(said, /what runs of it may run on/);
        process.kill(old, 'SIGKILL');
      }
      await waitFor(runtime, 'a.service', 'inactive/dead');
      assert.equal((await unitOf(runtime, 'a.service'))?.hash, '', `${what}: the agent has to load it again`);
      await load(runtime, { 'a.service': TEXT });
      await startAndWait(runtime, 'a.service');
      assert.equal((await unitOf(runtime, 'a.service'))?.hash, hashOf(TEXT));
    }
  });
}

/** What may have become of the files that name the boot. The mark of another boot is what chance, or a copy, may make of it. */
const ANOTHER_BOOT = `${'0'.repeat(8)}-0000-4000-8000-${'0'.repeat(12)} 1`;
const MARKS: Readonly<Record<string, (file: string) => void>> = {
  ...DAMAGES,
  'is gone': (file) => rmSync(file),
  'is a FIFO': (file) => {
    rmSync(file);
    execFileSync('mkfifo', [file]);
  },
  'is huge': (file) => truncateSync(file, 2 ** 30),
  'names another boot': (file) => writeFileSync(file, file.endsWith('boot') ? ANOTHER_BOOT : holderOf(ANOTHER_BOOT)),
};

function holderOf(boot: string): string {
  return JSON.stringify({ pid: 4194304, startTime: 1, boot });
}

for (const groups of ['auto', 'tracking'] as const)
  test(`units run on, each once, where the files that name the boot are damaged (${groups})`, async () => {
    await using harness = await openHarness({ groups });
    const { directory } = harness;
    await load(harness.runtime, {
      'a.service': TEXT,
      'b.service': service('Type=oneshot\nRemainAfterExit=yes\nExecStart=/bin/true'),
    });
    await startAndWait(harness.runtime, 'a.service');
    await startAndWait(harness.runtime, 'b.service', 'active/exited');
    const running = await mainPid(harness.runtime, 'a.service');
    await harness.runtime.close();
    const boot = path.join(directory, 'run/boot');
    const holder = path.join(directory, 'supervisor.pid');
    for (const [what, spoil] of Object.entries(MARKS))
      for (const files of groups === 'auto' ? [[boot], [boot, holder]] : [[boot, holder]]) {
        // Two files that name the same other boot are what a boot leaves behind.
        if (what === 'names another boot' && files.length > 1) continue;
        if (groups === 'tracking' && !['is empty', 'is gone'].includes(what)) continue;
        const message = `${files} ${what}`;
        await killSupervisor(directory);
        for (const file of files) spoil(file);
        const next = await openHarness({ directory, groups });
        assert.ok(isAlive(running), `${message}: it runs on`);
        assert.equal(await mainPid(next.runtime, 'a.service'), running, `${message}: the same process is its main one`);
        assert.equal((await unitOf(next.runtime, 'b.service'))?.state.sub, 'exited', message);
        assert.doesNotMatch(loggedBy(directory), /^\s+at /m, message);
        if (files.includes(boot)) assert.match(loggedBy(directory), new RegExp(`Boot of the state damaged: .*${boot}`));
        await next.runtime.close();
      }
  });

test('what is left of an earlier boot is forgotten, also where one of the files that name it is damaged', async () => {
  for (const files of [['run/boot'], ['supervisor.pid'], ['run/boot', 'supervisor.pid'], []]) {
    await using harness = await openHarness();
    const { directory } = harness;
    await load(harness.runtime, { 'a.service': TEXT });
    await startAndWait(harness.runtime, 'a.service');
    await harness.runtime.close();
    const copy = `${directory}.copy`;
    cpSync(path.join(directory, 'run'), copy, { recursive: true, filter: (file) => !/socket|fifo/.test(file) });
    await powerOff({ directory });
    renameSync(copy, path.join(directory, 'run'));
    writeFileSync(path.join(directory, 'run/boot'), ANOTHER_BOOT);
    writeFileSync(path.join(directory, 'supervisor.pid'), holderOf(ANOTHER_BOOT));
    for (const file of files) writeFileSync(path.join(directory, file), 'garbage');
    await using next = await openHarness({ directory });
    assert.deepEqual(await next.runtime.units(), [], `${files}`);
  }
});

test('a unit of which nothing is left but its processes is stopped', {
  skip: cgroupPathOf('/') === undefined && "only control groups name a process's unit",
}, async () => {
  await using harness = await openHarness();
  const { directory } = harness;
  await load(harness.runtime, { 'a.service': TEXT });
  await startAndWait(harness.runtime, 'a.service');
  const running = await mainPid(harness.runtime, 'a.service');
  await harness.runtime.close();
  await killSupervisor(directory);
  rmSync(path.join(directory, 'run'), { recursive: true });
  await using next = await openHarness({ directory });
  await until('it has ended', () => !isAlive(running));
  assert.equal((await unitOf(next.runtime, 'a.service'))?.hash, '', 'the agent has to load it again');
});
