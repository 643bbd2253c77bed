import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  hashOf,
  isAlive,
  load,
  logOf,
  mainPid,
  openHarness,
  readProc,
  type SupervisorHarnessOptions,
  service,
  startAndWait,
  supervisorProgram,
  unitOf,
  waitFor,
  waitForLog,
} from '../../../test/contract/runtime-harness.ts';
import { until } from '../../lib/test-until.ts';
import { SupervisorConnection } from './connection.ts';
import { powerOff } from './power-off.ts';

function supervisorPid(directory: string): number {
  return Number(JSON.parse(readFileSync(path.join(directory, 'supervisor.pid'), 'utf8')).pid);
}

/** SIGKILLs the supervisor process and waits for the next one. */
async function killSupervisor(directory: string): Promise<void> {
  const pid = supervisorPid(directory);
  process.kill(pid, 'SIGKILL');
  await until('another supervisor process runs', () => supervisorPid(directory) !== pid);
}

/** A process which forks away as daemons do: twice, and into a session of its own. Prints its pid before the first one ends. */
const FORKS_AWAY = `setsid --wait sh -c 'sleep 1000 & echo away $$!'; echo gone`;

async function pidInLog(runtime: Parameters<typeof logOf>[0], unit: string, word: string): Promise<number> {
  const pattern = new RegExp(`^${word} (\\d+)`);
  await waitForLog(runtime, unit, pattern);
  return Number(pattern.exec((await logOf(runtime, unit)).findLast((line) => pattern.test(line))!)![1]);
}

const MODES: readonly SupervisorHarnessOptions[] = [{ groups: 'auto' }, { groups: 'tracking' }];

for (const mode of MODES) {
  describe(`processes and their ends (${mode.groups})`, { concurrency: 4 }, () => {
    test('a process that forks away is stopped with its unit', async () => {
      await using harness = await openHarness(mode);
      const { runtime } = harness;
      await load(runtime, {
        'a.service': service(`ExecStart=/bin/sh -c "${FORKS_AWAY}; exec sleep 1000"`),
        'b.service': service(`Type=oneshot\nRemainAfterExit=yes\nExecStart=/bin/sh -c "${FORKS_AWAY}"`),
        'c.service': service(`ExecStart=/bin/sh -c "${FORKS_AWAY}"`),
      });
      for (const name of ['a.service', 'b.service'])
        await startAndWait(runtime, name, name === 'a.service' ? 'active/running' : 'active/exited');
      await startAndWait(runtime, 'c.service', 'inactive/dead');
      // The main process of c ended, and whoever it left behind ends with it.
      assert.ok(!isAlive(await pidInLog(runtime, 'c.service', 'away')));
      for (const name of ['a.service', 'b.service']) {
        const pid = await pidInLog(runtime, name, 'away');
        assert.ok(isAlive(pid), name);
        await runtime.stop(name);
        await waitFor(runtime, name, 'inactive/dead');
        assert.ok(!isAlive(pid), name);
      }
    });

    test('units outlive the supervisor process, and the next one takes them over', async () => {
      await using harness = await openHarness(mode);
      const { runtime, directory } = harness;
      const go = path.join(directory, 'go');
      const untilGo = `until [ -e ${go} ]; do sleep 0.02; done`;
      await load(runtime, {
        'a.service': service('ExecStart=/bin/sh -c "i=0; while :; do i=$$((i+1)); echo line $$i; sleep 0.02; done"'),
        'exited.service': service('Type=oneshot\nRemainAfterExit=yes\nExecStart=/bin/true'),
        'failed.service': service('ExecStart=/bin/false'),
        'again.service': service('Restart=on-failure\nRestartSec=10ms\nExecStart=/bin/sleep 1000'),
        'slow.service': service(
          `Type=oneshot\nExecStart=/bin/sh -c "${untilGo}; echo over"\nExecStart=/bin/echo second`,
        ),
        'waiting.service': service(
          'Restart=always\nRestartSec=1\nExecStart=/bin/sleep 0.01',
          'StartLimitIntervalSec=0',
        ),
      });
      for (const name of ['a.service', 'again.service']) await startAndWait(runtime, name);
      await startAndWait(runtime, 'exited.service', 'active/exited');
      await startAndWait(runtime, 'failed.service', 'failed/failed');
      await startAndWait(runtime, 'slow.service', 'activating/start');
      await startAndWait(runtime, 'waiting.service', 'activating/auto-restart');
      await waitForLog(runtime, 'a.service', 'line 3');
      const pids = await Promise.all(['a.service', 'again.service'].map((name) => mainPid(runtime, name)));
      const before = (await logOf(runtime, 'a.service')).length;
      await killSupervisor(directory);
      assert.deepEqual(await Promise.all(['a.service', 'again.service'].map((name) => mainPid(runtime, name))), pids);
      assert.ok(pids.every(isAlive));
      for (const [name, state] of [
        ['a.service', 'active/running'],
        ['exited.service', 'active/exited'],
        ['failed.service', 'failed/failed'],
      ] as const) {
        await waitFor(runtime, name, state);
        assert.equal((await unitOf(runtime, name))?.launched, true);
      }
      // Its output goes on, no line lost: the FIFO kept what was written meanwhile.
      await until('the log goes on', async () => (await logOf(runtime, 'a.service')).length > before + 20);
      const numbers = (await logOf(runtime, 'a.service'))
        .flatMap((line) => /^line (\d+)$/.exec(line)?.[1] ?? [])
        .map(Number);
      assert.deepEqual(
        numbers,
        numbers.map((_, index) => index + 1),
      );
      // The end of a process that is nobody's child is noticed, and Restart= still holds.
      process.kill(pids[1]!, 'SIGKILL');
      await until(
        'it is restarted',
        async () => ![pids[1], Number.NaN].includes(await mainPid(runtime, 'again.service')),
      );
      await waitFor(runtime, 'again.service', 'active/running');
      // A oneshot goes on with its next command.
      writeFileSync(go, '');
      await waitForLog(runtime, 'slow.service', 'second');
      await waitFor(runtime, 'slow.service', 'inactive/dead');
      await waitForLog(runtime, 'waiting.service', /restart counter is at 2/);
      await runtime.stop('a.service');
      await waitFor(runtime, 'a.service', 'inactive/dead');
      assert.ok(!isAlive(pids[0]!));
    });

    test('a reload that the supervisor does not live to see is not done twice', async () => {
      await using harness = await openHarness(mode);
      const { runtime, directory } = harness;
      const go = path.join(directory, 'go');
      const reload = `echo begins; until [ -e ${go} ]; do sleep 0.02; done; echo ends`;
      await load(runtime, {
        'a.service': service(`ExecStart=/bin/sleep infinity\nExecReload=/bin/sh -c "${reload}"`),
      });
      await startAndWait(runtime, 'a.service');
      await runtime.reload('a.service');
      await waitForLog(runtime, 'a.service', 'begins');
      await killSupervisor(directory);
      assert.equal((await unitOf(runtime, 'a.service'))?.state.sub, 'reload');
      writeFileSync(go, '');
      await waitFor(runtime, 'a.service', 'active/running');
      await waitForLog(runtime, 'a.service', 'Reloaded Test.');
      const said = (await logOf(runtime, 'a.service')).filter((line) => /^(begins|ends)$/.test(line));
      assert.deepEqual(said, ['begins', 'ends']);
    });

    test('powerOff kills everything, with the supervisor alive or dead, and the next boot knows no units', async () => {
      await using harness = await openHarness(mode);
      const { directory } = harness;
      let { runtime } = harness;
      for (const alive of [true, false]) {
        await load(runtime, { 'a.service': service(`ExecStart=/bin/sh -c "${FORKS_AWAY}; exec sleep 1000"`) });
        await startAndWait(runtime, 'a.service');
        const pids = [await mainPid(runtime, 'a.service'), await pidInLog(runtime, 'a.service', 'away')];
        const supervisor = supervisorPid(directory);
        await runtime.close();
        if (!alive) process.kill(supervisor, 'SIGKILL');
        await powerOff({ directory });
        assert.deepEqual([supervisor, ...pids].filter(isAlive), []);
        // A second time there is nothing to do.
        await powerOff({ directory });
        ({ runtime } = await openHarness({ ...mode, directory }));
        assert.deepEqual(await runtime.units(), []);
        assert.ok((await logOf(runtime, 'a.service')).length > 0, 'logs stay');
      }
      await runtime.close();
    });

    test('a pid that is somebody else now is neither adopted nor killed', async () => {
      await using harness = await openHarness(mode);
      const { runtime, directory } = harness;
      await load(runtime, { 'a.service': service('ExecStart=/bin/sleep infinity') });
      await startAndWait(runtime, 'a.service');
      // Whoever is given a number again did not start within the same hundredth of a second, which is how the kernel counts.
      await sleep(20);
      const stranger = spawn('sleep', ['1000'], { detached: true, stdio: 'ignore' });
      const old = await mainPid(runtime, 'a.service');
      await runtime.close();
      process.kill(supervisorPid(directory), 'SIGKILL');
      process.kill(old, 'SIGKILL');
      const file = path.join(directory, 'run/memory/a.service');
      const memory = JSON.parse(readFileSync(file, 'utf8'));
      writeFileSync(file, JSON.stringify({ ...memory, main: { ...memory.main, pid: stranger.pid } }));
      const { runtime: next } = await openHarness({ ...mode, directory });
      await waitFor(next, 'a.service', 'failed/failed');
      await next.stop('a.service');
      await next.close();
      await powerOff({ directory });
      assert.ok(isAlive(stranger.pid!));
      stranger.kill('SIGKILL');
    });
  });
}

describe('the supervisor process', { concurrency: 4 }, () => {
  test('a killed client harms nothing', async () => {
    await using harness = await openHarness();
    const { runtime, directory } = harness;
    const text = service(
      'Restart=always\nRestartSec=50ms\nExecStart=/bin/sh -c "echo up; sleep 0.2; exit 1"',
      'StartLimitIntervalSec=0',
    );
    const client = spawn(process.execPath, ['--input-type=module', '-e', clientProgram(directory, text)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await once(client.stdout, 'data');
    client.kill('SIGKILL');
    await once(client, 'exit');
    await waitForLog(runtime, 'a.service', /restart counter is at 2/);
    const unit = await unitOf(runtime, 'a.service');
    assert.deepEqual([unit?.hash, unit?.launched], [hashOf(text), true]);
  });

  test('a supervisor process that is told to retire leaves its units to the next', async () => {
    await using harness = await openHarness();
    const { runtime, directory } = harness;
    await load(runtime, { 'a.service': service('ExecStart=/bin/sleep infinity') });
    await startAndWait(runtime, 'a.service');
    const [unit, supervisor] = [await mainPid(runtime, 'a.service'), supervisorPid(directory)];
    const connection = await SupervisorConnection.open(path.join(directory, 'run/socket'));
    await connection.call('retire', undefined);
    await until('another supervisor process runs', () => supervisorPid(directory) !== supervisor);
    assert.equal(await mainPid(runtime, 'a.service'), unit);
    assert.ok(!isAlive(supervisor));
  });

  test('with the disk full, units start and stop; new ones are refused', {
    skip: process.getuid!() !== 0 && 'needs root',
  }, async () => {
    const harness = await openHarness();
    const { directory } = harness;
    await harness.runtime.close();
    await powerOff({ directory });
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', directory]);
    try {
      const { runtime } = await openHarness({ directory });
      await load(runtime, { 'a.service': service('ExecStart=/bin/sh -c "echo up; exec sleep infinity"') });
      try {
        writeFileSync(path.join(directory, 'filler'), Buffer.alloc(2 << 20));
      } catch {
        // It is full now.
      }
      for (let round = 0; round < 3; round++) {
        await startAndWait(runtime, 'a.service');
        await runtime.stop('a.service');
        await waitFor(runtime, 'a.service', 'inactive/dead');
      }
      const text = service('ExecStart=/bin/true');
      const refused = await runtime.apply({ unload: [], load: [{ name: 'b.service', hash: 'x', text }] });
      assert.match(refused.get('b.service')!, /^b\.service: its file cannot be written/);
      rmSync(path.join(directory, 'filler'));
      await load(runtime, { 'b.service': text });
      await runtime.close();
      await powerOff({ directory });
    } finally {
      execFileSync('umount', ['-l', directory]);
      await harness[Symbol.asyncDispose]();
    }
  });

  test('only one runs in a directory', async () => {
    await using harness = await openHarness();
    const { command, args } = supervisorProgram(harness.directory);
    const second = spawn(command, args, { stdio: ['ignore', 'ignore', 'pipe'] });
    const [said] = await once(second.stderr!, 'data');
    assert.equal(String(said).trim(), 'ended taken');
  });

  test('a machine that booted again holds no units', async () => {
    await using harness = await openHarness();
    const { runtime, directory } = harness;
    await load(runtime, { 'a.service': service('Type=oneshot\nRemainAfterExit=yes\nExecStart=/bin/true') });
    await startAndWait(runtime, 'a.service', 'active/exited');
    await runtime.close();
    process.kill(supervisorPid(directory), 'SIGKILL');
    const boot = 'an earlier boot';
    writeFileSync(path.join(directory, 'run/boot'), boot);
    writeFileSync(path.join(directory, 'supervisor.pid'), JSON.stringify({ pid: 1, startTime: 1, boot }));
    const { runtime: next } = await openHarness({ directory });
    assert.deepEqual(await next.units(), []);
    await next.close();
  });

  test('a state directory deeper than a socket address can say works', async () => {
    await using outer = await openHarness();
    const directory = path.join(outer.directory, 'x'.repeat(150));
    const { runtime } = await openHarness({ directory });
    await load(runtime, { 'a.service': service('ExecStart=/bin/sleep infinity') });
    await startAndWait(runtime, 'a.service');
    await runtime.close();
    await powerOff({ directory });
  });

  test('a unit that floods its log costs neither memory nor disk, and delays nobody', async () => {
    await using harness = await openHarness({ maxLogFileBytes: 1 << 20 });
    const { runtime, directory } = harness;
    await load(runtime, {
      'flood.service': service('ExecStart=/bin/sh -c "yes | head -c 200000000; echo the end"'),
      'lines.service': service('ExecStart=/bin/sh -c "head -c 20000000 /dev/urandom; echo; echo the end"'),
      'quick.service': service('Type=oneshot\nExecStart=/bin/true'),
    });
    await runtime.start(['flood.service', 'lines.service']);
    await startAndWait(runtime, 'quick.service', 'inactive/dead');
    for (const name of ['flood.service', 'lines.service']) {
      await waitFor(runtime, name, 'inactive/dead', 60_000);
      const files = readdirSync(path.join(directory, 'log', name)).map(
        (file) => statSync(path.join(directory, 'log', name, file)).size,
      );
      assert.ok(files.length === 2 && files.every((size) => size <= 1 << 20), String(files));
      assert.ok((await logOf(runtime, name, 'cat', 10)).includes('the end'));
    }
    const residentKb = Number(/VmHWM:\s+(\d+)/.exec(readProc(supervisorPid(directory), 'status'))![1]);
    assert.ok(residentKb < 150_000, `${residentKb} kB`);
  });

  test('nothing waits when nothing runs: an empty supervisor ends by itself', async () => {
    const harness = await openHarness();
    const pid = supervisorPid(harness.directory);
    await harness.runtime.close();
    await until('the process ends', () => !isAlive(pid), 20_000);
    await harness[Symbol.asyncDispose]();
    assert.ok(!existsSync(harness.directory));
  });
});

function clientProgram(directory: string, text: string): string {
  const harness = new URL('../../../test/contract/runtime-harness.ts', import.meta.url).href;
  return `
    import { openHarness, load, startAndWait } from ${JSON.stringify(harness)};
    const { runtime } = await openHarness({ directory: ${JSON.stringify(directory)} });
    await load(runtime, { 'a.service': ${JSON.stringify(text)} });
    await startAndWait(runtime, 'a.service');
    console.log('running');
    setInterval(() => {}, 1000);`;
}
