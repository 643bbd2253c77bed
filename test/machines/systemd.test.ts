import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Fleet, fleetProblem } from './fleet.ts';
import type { Machine } from './machine.ts';

const SLEEPS = '[Service]\nExecStart=/bin/sleep infinity\n';
// systemd's own words on the start come before.
const SAYS =
  '[Service]\nExecStart=/bin/sh -c "sleep 0.5; for i in 1 2 3; do echo line $i; done; exec sleep infinity"\n';
const MANY = Array.from({ length: 60 }, (_, index) => `many@${index + 1}.service`);
const IDLE_MS = 6000;

describe('what systemd and etcd get to see of it', { skip: fleetProblem() ?? false }, () => {
  let fleet: Fleet;
  before(async () => {
    fleet = await Fleet.open({ machines: 3 });
    await fleet.start('says.service', SAYS);
    await fleet.submit('many@.service', `${SLEEPS}[Install]\nWantedBy=multi-user.target\n`);
  });
  after(() => fleet?.[Symbol.asyncDispose]());

  const elsewhere = (machine: Machine) => fleet.machines.find((other) => other !== machine)!;
  const activeOf = async (names: readonly string[]) =>
    (await fleet.units()).filter(
      ({ name, systemdActiveState }) => systemdActiveState === 'active' && names.includes(name),
    );

  test('status prints what systemctl status -l prints, and exits as it does', async () => {
    const [machine] = await fleet.active('says.service');
    const same = async (unit: string, expectedStatus: number) => {
      // Times that have passed and what is used of the processor differ from one moment to the next, and so does the
      // journal while there is more to come.
      const settled = (text: string) =>
        text
          .replace(/^ +(CPU|Memory|Tasks):.*\n/gm, '')
          .replace(/; .* ago$/gm, '')
          .trimEnd();
      await fleet.until('the same', async () => {
        const systemctl = await machine.exec(['systemctl', 'status', '--full', '--no-pager', unit]);
        const { stdout, status } = await fleet.fleetctl(['status', unit], elsewhere(machine));
        assert.equal(status, expectedStatus);
        assert.equal(systemctl.status, expectedStatus);
        return settled(stdout) === settled(systemctl.stdout);
      });
    };
    await same('says.service', 0);
    await fleet.submit('fails.service', '[Service]\nExecStart=/bin/false\n');
    await fleet.ok('start', '--no-block', 'fails.service');
    await fleet.until('failed', async () => (await fleet.units()).some((row) => row.systemdActiveState === 'failed'));
    const row = (await fleet.units()).find(({ name }) => name === 'fails.service')!;
    const on = fleet.machines.find(({ machineId }) => machineId === row.machineID)!;
    assert.equal((await on.exec(['systemctl', 'status', 'fails.service'])).status, 3);
    assert.equal((await fleet.fleetctl(['status', 'fails.service'])).status, 3);
    await fleet.destroy('fails.service');
    await fleet.ok('stop', 'says.service');
    await same('says.service', 3);
    await fleet.ok('start', 'says.service');
    const { stderr, stdout, status } = await fleet.fleetctl(['status', 'absent.service']);
    assert.match(`${stdout}${stderr}`, /Unit absent\.service does not exist\./);
    assert.notEqual(status, 0);
  });

  test('journal passes --output, --lines and -f to journalctl', async () => {
    const [machine] = await fleet.active('says.service');
    const asked = elsewhere(machine);
    const journal = async (...args: readonly string[]) =>
      (await fleet.fleetctl(['journal', ...args, 'says.service'], asked)).stdout;
    await fleet.until('three lines', async () => (await journal('--output', 'cat')).endsWith('line 3\n'));
    assert.equal(await journal('--output', 'cat', '--lines', '2'), 'line 2\nline 3\n');
    for (const output of ['short', 'short-iso', 'verbose', 'export']) {
      const args = ['--no-pager', '--lines=3', `--output=${output}`, '--unit=says.service'];
      assert.equal(await journal('--lines', '3', '--output', output), await machine.ok('journalctl', ...args), output);
    }
    const entry = JSON.parse(await journal('--output', 'json', '--lines', '1')) as Record<string, unknown>;
    assert.equal(entry['MESSAGE'], 'line 3');
    const command = ['timeout', '5', 'fleetctl', 'journal', '-f', '--lines', '1', '--output', 'cat', 'says.service'];
    const following = asked.exec(command);
    await fleet.until(
      'a follower',
      async () => (await machine.exec(['pgrep', '-f', 'journalctl.*--follow'])).status === 0,
    );
    await machine.ok('systemctl', 'restart', 'says.service');
    const { stdout } = await following;
    const said = stdout.split('\n').filter((line) => line.startsWith('line'));
    assert.deepEqual(said, ['line 3', 'line 1', 'line 2', 'line 3']);
  });

  test('units that come and go together cost each machine few daemon-reloads, and etcd few writes', async () => {
    const reloads = async () => {
      const logs = fleet.machines.map((machine) => machine.ok('journalctl', '--output=cat', '_PID=1'));
      return (await Promise.all(logs)).map((log) => log.match(/^Reloading\b.*$/gm)?.length ?? 0);
    };
    const before = { reloads: await reloads(), writes: await fleet.etcd.writes() };
    await fleet.ok('start', ...MANY);
    await fleet.until('all active', async () => (await activeOf(MANY)).length === MANY.length);
    const started = { reloads: await reloads(), writes: await fleet.etcd.writes() };
    const writesPerUnit = (started.writes - before.writes) / MANY.length;
    const perMachine = started.reloads.map((count, index) => count - before.reloads[index]!);
    console.log(`${MANY.length} units: ${writesPerUnit.toFixed(1)} etcd writes each, daemon-reloads ${perMachine}`);
    assert.ok(writesPerUnit <= 6, `${writesPerUnit} writes a unit`);
    const most = MANY.length / fleet.machines.length / 2;
    assert.ok(
      perMachine.every((count) => count <= most),
      `${perMachine} daemon-reloads`,
    );
    await fleet.destroy(...MANY);
  });

  test('while nothing changes, systemd is not asked, and nothing is written', async () => {
    await fleet.ok('start', ...MANY);
    await fleet.until('all active', async () => (await activeOf(MANY)).length === MANY.length);
    const leader = await fleet.leader();
    // What was under way is over.
    await fleet.until('quiet', async () => {
      const writes = await fleet.etcd.writes();
      await sleep(1000);
      return writes === (await fleet.etcd.writes());
    });
    const writes = await fleet.etcd.writes();
    const calls = fleet.machines.map((machine) =>
      machine.exec(['timeout', String(IDLE_MS / 1000), 'dbus-monitor', '--system', '--profile', "type='method_call'"]),
    );
    const heard = (await Promise.all(calls)).map(({ stdout }) =>
      stdout.split('\n').filter((line) => line.startsWith('mc') && line.includes('systemd1')),
    );
    assert.deepEqual(heard.flat(), []);
    assert.equal(await fleet.etcd.writes(), writes);
    assert.equal(await fleet.leader(), leader);
    await fleet.destroy(...MANY);
  });
});
