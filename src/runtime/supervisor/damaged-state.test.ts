import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
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
  until,
  waitFor,
} from '../../../test/contract/runtime-harness.ts';

const TEXT = service('Restart=always\nExecStart=/bin/sleep infinity');

/** Ways to damage a file of the state that belongs to one boot. */
const DAMAGES: Readonly<Record<string, (file: string) => void>> = {
  'is empty': (file) => writeFileSync(file, ''),
  'is half': (file) => writeFileSync(file, readFileSync(file, 'utf8').trimEnd().slice(0, 60)),
  'is no record': (file) => writeFileSync(file, 'null\n'),
  'has a value of another kind': (file) =>
    writeFileSync(file, readFileSync(file, 'utf8').replace('"streams":[', '"streams":7,"was":[')),
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
  const { pid } = JSON.parse(readFileSync(path.join(directory, 'supervisor.pid'), 'utf8')) as { pid: number };
  process.kill(pid, 'SIGKILL');
  await until('the supervisor has ended', () => !isAlive(pid));
  DAMAGES[what]!(path.join(directory, file));
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
