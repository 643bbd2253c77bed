import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import {
  load,
  logOf,
  mainPid,
  service,
  startAndWait,
  supervisorProgram,
  waitFor,
} from '../../../test/contract/runtime-harness.ts';
import { systemClock as clock, silentLog as log, systemRandom as random } from '../../lib/index.ts';
import { until } from '../../lib/test-until.ts';
import { openSupervisor } from './open-supervisor.ts';
import { powerOff } from './power-off.ts';

const DESCRIPTORS = 80;
const NAMES = Array.from({ length: 50 }, (_, index) => `u${index}.service`);

test('a supervisor with too few file descriptors runs all units, hears those it can, and can be followed', async (t) => {
  const directory = realpathSync(mkdtempSync(path.join(tmpdir(), 'supervisor-')));
  const { command, args } = supervisorProgram(directory, { groups: 'tracking' });
  const limited = `ulimit -S -n ${DESCRIPTORS}; ulimit -H -n ${DESCRIPTORS}; exec "$0" "$@"`;
  const spawn = { command: 'sh', args: ['-c', limited, command, ...args] };
  const machine = { machineId: 'a'.repeat(32), hostname: 'h' };
  const runtime = await openSupervisor({ directory, spawn, clock, random, log, ...machine });
  t.after(async () => {
    // Before the power goes: it would start the supervisor again.
    await runtime.close();
    await powerOff({ directory });
    rmSync(directory, { recursive: true, force: true });
  });
  const text = service('ExecStart=/bin/sh -c "echo begun; exec sleep 1000"');
  await load(runtime, Object.fromEntries(NAMES.map((name) => [name, text])));
  for (const name of NAMES) await startAndWait(runtime, name);
  const logs = await Promise.all(NAMES.map((name) => logOf(runtime, name)));
  assert.ok(logs[0]!.includes('begun'));
  assert.match(logs.at(-1)!.join('\n'), /Output is not logged: .* too few file descriptors/);

  const pids = await Promise.all(NAMES.map((name) => mainPid(runtime, name)));
  const holder = () =>
    (JSON.parse(readFileSync(path.join(directory, 'supervisor.pid'), 'utf8')) as { pid: number }).pid;
  const first = holder();
  process.kill(first, 'SIGKILL');
  await until('another supervisor process runs', () => holder() !== first);
  for (const name of NAMES) await waitFor(runtime, name, 'active/running');
  assert.deepEqual(await Promise.all(NAMES.map((name) => mainPid(runtime, name))), pids);
  await runtime.stop(NAMES[0]!);
  await waitFor(runtime, NAMES[0]!, 'inactive/dead');
});
