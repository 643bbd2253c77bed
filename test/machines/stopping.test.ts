/** fleetd is stopped by a service manager that tells all of its processes to end at once, whatever fleetd is doing. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Fleet, fleetProblem, mainPid } from './fleet.ts';
import type { Machine } from './machine.ts';

const DROP_IN = '/etc/systemd/system/fleetd.service.d/all.conf';
/** What fleetd logs on its way to being ready, in this order. */
const STARTING = ['Starting fleetd', 'Opening the runtime of units', 'Routing'];

for (const runtime of ['systemd', 'supervisor'] as const) {
  describe(`all processes of fleetd are told to end at once (runtime=${runtime})`, {
    skip: fleetProblem() ?? false,
  }, () => {
    let fleet: Fleet;
    let machine: Machine;
    before(async () => {
      fleet = await Fleet.open({
        machines: 1,
        settings: [`runtime=${runtime}`, 'verbosity=1'],
        files: { [DROP_IN.slice(1)]: '[Service]\nKillMode=control-group\nRestart=no\n' },
      });
      machine = fleet.machines[0]!;
      await fleet.start('stays.service', '[Service]\nExecStart=/bin/sleep 12345\n');
      // Whoever asks its API would start fleetd again.
      await machine.ok('systemctl', 'disable', '--now', 'fleet.socket');
    });
    after(() => fleet?.[Symbol.asyncDispose]());

    const show = async (property: string) =>
      (await machine.ok('systemctl', 'show', `--property=${property}`, '--value', 'fleetd.service')).trim();
    /** What this run of fleetd and its processes have logged. */
    const journal = async () => {
      const invocation = await show('InvocationID');
      return await machine.ok('journalctl', '--no-pager', '-o', 'cat', `_SYSTEMD_INVOCATION_ID=${invocation}`);
    };
    const said = (what: string) => fleet.until(`it says: ${what}`, async () => (await journal()).includes(what));
    const processes = async (pattern: string) =>
      (await machine.exec(['pgrep', '--list-full', '--full', pattern])).stdout.trim();
    const stopped = async (what: string) => {
      await fleet.until('it has ended', async () => !/ing$/.test(await show('ActiveState')), 90_000);
      assert.equal(await show('Result'), 'success', what);
      const lines = (await journal()).split('\n');
      const stopping = lines.findIndex((line) => line.includes('Stopping fleetd'));
      // A supervisor that was ended before its program was loaded is needed again: it is what stops units.
      const later = lines
        .slice(stopping + 1)
        .filter((line) => /ERROR|Starting the router process|started again/.test(line));
      if (stopping >= 0) assert.deepEqual(later, [], `${what}\n${lines.join('\n')}`);
      await fleet.until(
        `${what}: nothing is left`,
        async () => (await processes('fleetd.cjs|haproxy|sleep 12345')) === '',
      );
    };

    test('while it runs', async () => {
      await said('Routing');
      await machine.ok('systemctl', 'stop', 'fleetd.service');
      await stopped('while it runs');
    });

    test('while it starts, at any moment', async () => {
      for (const moment of STARTING) {
        await machine.ok('systemctl', 'start', '--no-block', 'fleetd.service');
        await said(moment);
        await machine.ok('systemctl', 'stop', 'fleetd.service');
        await stopped(moment);
      }
    });

    test('while it waits for etcd, which then responds', async () => {
      fleet.etcd.pause();
      await machine.ok('systemctl', 'start', 'fleetd.service');
      await machine.ok('systemctl', 'stop', '--no-block', 'fleetd.service');
      await said('Stopping fleetd');
      fleet.etcd.resume();
      await stopped('while it waits for etcd');
    });

    test('a fleetd that crashed has left its router to one that is stopped before it routes', async () => {
      await machine.ok('systemctl', 'start', 'fleetd.service');
      await said('Routing');
      fleet.etcd.pause();
      await machine.ok('rm', DROP_IN);
      await machine.ok('systemctl', 'daemon-reload');
      const pid = await mainPid(machine, 'fleetd.service');
      await machine.ok('kill', '-9', String(pid));
      await fleet.until('another', async () => ![0, pid].includes(await mainPid(machine, 'fleetd.service')));
      // Before that it is a program being loaded, which a stop ends as a crash would.
      await said('Opening the runtime of units');
      assert.notEqual(await processes('fleetd.cjs router'), '');
      await machine.ok('systemctl', 'stop', '--no-block', 'fleetd.service');
      fleet.etcd.resume();
      await stopped('after a crash');
    });

    test('systemctl status says what had to be started again', async () => {
      await machine.ok('systemctl', 'start', 'fleetd.service');
      await said('Routing');
      const killed = runtime === 'systemd' ? ['router'] : ['router', 'supervisor'];
      for (const role of killed) {
        const pids = (await machine.ok('pgrep', '--full', `fleetd.cjs ${role}`)).trim();
        await machine.ok('kill', '-9', ...pids.split('\n'));
      }
      const counts = killed.map((role) => `${role} 1×`).join(', ');
      await fleet.until('it is counted', async () =>
        (await show('StatusText')).startsWith(`In the cluster, leading it; restarted by itself: ${counts}`),
      );
      const status = await machine.ok('systemctl', 'status', '--no-pager', 'fleetd.service');
      assert.match(status, /Main PID: \d+ \(fleetd\)\n/);
      assert.ok(status.includes(`; restarted by itself: ${counts}`), status);
    });
  });
}
