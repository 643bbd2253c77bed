import assert from 'node:assert/strict';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { until } from '../../src/lib/test-until.ts';
import { isAlive } from './lab-fixture.ts';
import { SteadyLab } from './steady-lab.ts';

const GIGABYTE = 1_000_000_000;

describe('units that behave badly', () => {
  const lab = new SteadyLab();
  before(() => lab.up('--machines', '2'));
  after(() => lab.dispose());

  const unit = (name: string, ...service: string[]) => lab.write(name, `[Service]\n${service.join('\n')}\n`);
  const stateOf = async (name: string) =>
    (await lab.ok('list-units', '--no-legend', '--fields', 'unit,load,active,sub'))
      .split('\n')
      .find((line) => line.startsWith(`${name}\t`))
      ?.split(/\t+/)
      .slice(1)
      .join(' ');

  test('a program that is not there, or cannot be executed', async () => {
    const cases: readonly [string, string, RegExp][] = [
      ['missing.service', '/no/such/program --fast', /Failed at step EXEC spawning \/no\/such\/program: No such file/],
      ['text.service', '/etc/passwd', /Failed at step EXEC spawning \/etc\/passwd: Permission denied/],
    ];
    for (const [name, program, line] of cases) {
      const failed = new RegExp(`unit ${name} failed on .*exit-code, status=203/EXEC\\); see: fleetctl status ${name}`);
      await lab.refused(['start', unit(name, 'Type=exec', `ExecStart=${program}`)], 1, failed);
      assert.equal(await stateOf(name), 'loaded failed failed');
      assert.match(await lab.ok('journal', name), line);
      const { status, out } = await lab.run('status', name);
      assert.equal(status, 3);
      assert.match(out, /Active: failed \(Result: exit-code\)[\s\S]*status=203\/EXEC/);
    }
    await lab.ok('destroy', 'missing', 'text');
  });

  test('a unit that no machine can make sense of says why, in its status too, and goes when it is destroyed', async () => {
    const cases: readonly [string, string[], RegExp][] = [
      ['nothing.service', ['Restart=always'], /it has neither ExecStart= nor ExecStop=/],
      [
        'relative.service',
        ['ExecStart=bin/program'],
        /line 2: ExecStart= takes an absolute path or a bare name, not "bin/,
      ],
      [
        'span.service',
        ['ExecStart=/bin/true', 'TimeoutStartSec=banana'],
        /line 3: TimeoutStartSec= takes a time span.*"banana"/,
      ],
    ];
    for (const [name, lines, why] of cases) {
      await lab.refused(['start', unit(name, ...lines)], 1, new RegExp(`could not be loaded on .*${why.source}`));
      const status = await lab.run('status', name);
      assert.equal(status.status, 3);
      assert.match(status.out, new RegExp(`^× ${name}\n +Loaded: error \\(Reason: ${name}: ${why.source}`));
      assert.match(await lab.ok('list-units'), new RegExp(`^${name}\\t.*\\tinactive\\tdead$`, 'm'));
      assert.match(lab.machineLogs(), new RegExp(`ERROR Unit refused by this machine unit=${name} step=load`));
    }
    await lab.ok('destroy', ...cases.map(([name]) => name));
    await until('all are gone', async () => (await lab.ok('list-units', '--no-legend')) === '');
  });

  test('a program that puts itself into the background ends with what it started, unless it says that it does', async () => {
    const pidFile = path.join(lab.folder, 'child.pid');
    const fork = `ExecStart=/bin/sh -c "sleep 1000 & echo $! > ${pidFile}"`;
    await lab.run('start', unit('away.service', fork));
    await until('it is over', async () => (await stateOf('away.service')) === 'loaded inactive dead');
    assert.equal(isAlive(Number(readFileSync(pidFile, 'utf8'))), false);
    assert.match(await lab.ok('journal', 'away'), /a program that goes into the background needs Type=forking/);

    await lab.ok('start', unit('daemon.service', 'Type=forking', fork));
    assert.equal(await stateOf('daemon.service'), 'loaded active running');
    const child = Number(readFileSync(pidFile, 'utf8'));
    assert.match(await lab.ok('status', 'daemon'), new RegExp(`Main PID: ${child} \\(sleep\\)`));
    await lab.run('stop', 'daemon');
    assert.equal(isAlive(child), false);
    await lab.ok('destroy', 'away', 'daemon');
  });

  test('a program that does not mind SIGTERM is killed after its time, and all it started', async () => {
    const pids = path.join(lab.folder, 'deaf.pids');
    const script = `trap '' TERM; sh -c 'echo $$$$ >> ${pids}; exec sleep 1000' & echo $$$$ >> ${pids}; wait; wait`;
    await lab.ok('start', unit('deaf.service', 'TimeoutStopSec=1', `ExecStart=/bin/sh -c "${script}"`));
    const started = await until('both run', () => {
      const found = readFileSync(pids, 'utf8').trim().split('\n').map(Number);
      return found.length === 2 ? found : undefined;
    });
    const { status, out, err } = await lab.run('stop', 'deaf');
    assert.equal(status, 0);
    assert.match(`${out}${err}`, /Unit deaf\.service loaded on .*\n.*Successfully stopped units \[deaf\.service\]/);
    assert.deepEqual(started.filter(isAlive), []);
    assert.equal(await stateOf('deaf.service'), 'loaded failed failed');
    const journal = await lab.ok('journal', '--lines', '20', 'deaf');
    assert.match(
      journal,
      /State 'stop-sigterm' timed out\. Killing\.\n.*Killing process \d+ \(\w+\) with signal SIGKILL/,
    );
    assert.match(journal, /Failed with result 'timeout'/);
    await lab.ok('destroy', 'deaf');
  });

  test('a gigabyte of output is bounded on disk and in memory, and its end can be read', async () => {
    const print = (what: string) => `ExecStart=/bin/sh -c "${what} | head -c ${GIGABYTE / 2}"`;
    const lines = print('yes 0123456789012345678901234567890123456789012345678901234567890123456789');
    // The second half is one line without an end.
    const noise = unit(
      'noise.service',
      'Type=oneshot',
      lines,
      print("tr '\\\\0' x </dev/zero"),
      'ExecStart=/bin/echo the end',
    );
    await lab.ok('start', '--timeout', '2m', noise);
    const journal = await lab.ok('journal', '--output', 'cat', '--lines', '5', 'noise');
    const longest = Math.max(...journal.split('\n').map((line) => line.length));
    assert.ok(longest > 1000 && longest < 100_000, `a line of ${longest} characters`);
    const end = /\nthe end\nnoise\.service: Deactivated successfully\.\nFinished noise\.service\.\n$/;
    assert.match(journal.slice(-100), end);
    for (const machine of await lab.machines()) {
      assert.ok(
        sizeOf(machine.directory) < 64_000_000,
        `${machine.directory} holds ${sizeOf(machine.directory)} bytes`,
      );
    }
    for (const pid of await lab.pids())
      assert.ok(residentBytes(pid) < 400_000_000, `${pid}: ${residentBytes(pid)} bytes`);
    await lab.ok('destroy', 'noise');
  });

  test('none of the lab’s own processes has ended', () => lab.assertUnharmed());
});

function sizeOf(folder: string): number {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .reduce((sum, { parentPath, name }) => sum + statSync(path.join(parentPath, name)).size, 0);
}

function residentBytes(pid: number): number {
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]) * 1024;
}
