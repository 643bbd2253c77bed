import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { load, logOf, mainPid, openHarness, service, waitFor } from '../../../test/contract/runtime-harness.ts';
import { systemClock as clock, readStat } from '../../lib/index.ts';
import { until } from '../../lib/test-until.ts';

const NAMES = Array.from({ length: 6 }, (_, index) => `u${index}.service`);
/** In the middle of it, on slow and on fast computers. */
const KILLED_AFTER_MS = [5, 12, 20, 30];

/** Processes with this word in their command lines; a child that is yet to become another program is none of its own. */
function processesOf(word: string): number[] {
  const lineOf = (pid: string) => {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'latin1');
    } catch {
      return '';
    }
  };
  const found = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && lineOf(name).includes(word))
    .map(Number);
  return found.filter((pid) => !found.includes(readStat(pid)?.ppid ?? found[0]!));
}

for (const groups of ['auto', 'tracking'] as const) {
  test(`killed while it starts units, it is followed by one that knows and hears them all (${groups})`, async () => {
    for (const [round, killedAfterMs] of KILLED_AFTER_MS.entries()) {
      await using harness = await openHarness({ groups });
      const { runtime, directory } = harness;
      const wordOf = (name: string) => `tick ${process.pid} ${groups} ${round} ${name}`;
      const loop = (name: string) => `/bin/sh -c "while :; do echo ${wordOf(name)} $$$$; sleep 0.02; done"`;
      await load(runtime, Object.fromEntries(NAMES.map((name) => [name, service(`ExecStart=${loop(name)}`)])));
      const supervisor = JSON.parse(readFileSync(path.join(directory, 'supervisor.pid'), 'utf8')) as { pid: number };
      const starting = runtime.start(NAMES);
      await clock.sleep(killedAfterMs);
      process.kill(supervisor.pid, 'SIGKILL');
      await starting;
      for (const name of NAMES) {
        await waitFor(runtime, name, 'active/running');
        const pid = await mainPid(runtime, name);
        assert.deepEqual(processesOf(wordOf(name)), [pid], name);
        const before = (await logOf(runtime, name)).length;
        await until(`${name} is heard`, async () => (await logOf(runtime, name)).length > before);
        const others = (await logOf(runtime, name)).filter((line) => line.startsWith('tick'));
        assert.deepEqual([...new Set(others)], [`${wordOf(name)} ${pid}`]);
      }
    }
  });
}
