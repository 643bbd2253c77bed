import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Fleet, fleetProblem, mainPid } from './fleet.ts';

/** What the package dbus-user-session has for every user. */
const SOCKET = '[Socket]\nListenStream=%t/bus\n';
const BUS = `[Unit]
Requires=dbus.socket
[Service]
Type=notify
ExecStart=/usr/bin/dbus-daemon --session --address=systemd: --nofork --nopidfile --systemd-activation
`;
/** What logind would start for a user who logs in. */
const USER_SYSTEMD = `[Service]
Slice=user-0.slice
Type=notify
RuntimeDirectory=user/0
Environment=XDG_RUNTIME_DIR=/run/user/0
ExecStart=/lib/systemd/systemd --user
KillMode=mixed
Delegate=yes
`;
const ORDER =
  '[Unit]\nWants=user@0.service\nAfter=user@0.service\n[Service]\nEnvironment=XDG_RUNTIME_DIR=/run/user/0\n';

test("with systemd_user=true units are those of the user's systemd", { skip: fleetProblem() ?? false }, async () => {
  await using fleet = await Fleet.open({
    machines: 1,
    settings: ['systemd_user=true'],
    files: {
      'etc/systemd/user/dbus.socket': SOCKET,
      'etc/systemd/user/dbus.service': BUS,
      'etc/systemd/user/basic.target.d/bus.conf': '[Unit]\nWants=dbus.socket\nAfter=dbus.socket\n',
      'etc/systemd/system/user@0.service': USER_SYSTEMD,
      'etc/systemd/system/fleetd.service.d/user.conf': ORDER,
    },
  });
  await fleet.start('mine.service', '[Service]\nExecStart=/bin/sh -c "echo It is mine; exec sleep infinity"\n');
  const [machine] = await fleet.active('mine.service');
  const user = (...args: readonly string[]) =>
    machine.exec(['env', 'XDG_RUNTIME_DIR=/run/user/0', 'systemctl', '--user', ...args]);
  assert.equal((await user('is-active', 'mine.service')).stdout, 'active\n');
  assert.equal((await machine.exec(['systemctl', 'status', 'mine.service'])).status, 4, 'not one of the machine');
  const { stdout, status } = await fleet.fleetctl(['status', 'mine.service']);
  assert.equal(status, 0, stdout);
  assert.match(stdout, /Loaded: loaded \(\S+\/mine\.service; linked-runtime[;)]/);
  await fleet.until('its words', async () =>
    (await fleet.ok('journal', '--output', 'cat', 'mine.service')).includes('It is mine'),
  );

  const pid = (await user('show', '--property=MainPID', '--value', 'mine.service')).stdout;
  await machine.ok('kill', '-9', String(await mainPid(machine, 'fleetd.service')));
  await fleet.until('fleetd', async () => (await fleet.machineIds()).length === 1);
  await fleet.active('mine.service');
  assert.equal((await user('show', '--property=MainPID', '--value', 'mine.service')).stdout, pid);
  await fleet.destroy('mine.service');
  assert.equal((await user('status', 'mine.service')).status, 4);

  // Without its bus, the user's systemd is asked to stop them through its private socket.
  await fleet.start('left.service', '[Service]\nExecStart=/bin/sleep infinity\n');
  await fleet.active('left.service');
  assert.equal((await user('stop', 'dbus.socket', 'dbus.service')).status, 0);
  await machine.ok('systemctl', 'stop', 'fleet.socket', 'fleetd.service');
  const journal = await machine.ok('journalctl', '--no-pager', '-u', 'fleetd.service');
  assert.doesNotMatch(journal, /Not withdrawn cleanly/);
  assert.equal((await user('is-active', 'left.service')).stdout, 'inactive\n');
});
