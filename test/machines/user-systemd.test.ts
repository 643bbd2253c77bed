import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Fleet, fleetProblem } from './fleet.ts';

const RUNTIME = '/run/user/0';
/** A bus and a systemd for root as a user, as a login would start them, and fleetd on them. */
const SETUP = `
systemctl stop fleetd fleet.socket
mkdir -p -m 700 ${RUNTIME}
export XDG_RUNTIME_DIR=${RUNTIME}
systemd-run --quiet --unit=user-bus dbus-daemon --session --nofork --address=unix:path=${RUNTIME}/bus
systemd-run --quiet --unit=user-systemd -p Delegate=yes -E XDG_RUNTIME_DIR=${RUNTIME} \\
  -E DBUS_SESSION_BUS_ADDRESS=unix:path=${RUNTIME}/bus /lib/systemd/systemd --user
until systemctl --user is-system-running --quiet; do sleep 0.1; done
printf 'systemd_user=true\\nunits_directory=${RUNTIME}/fleet/units\\n' >>/etc/fleet/fleet.conf
mkdir -p /etc/systemd/system/fleetd.service.d
printf '[Service]\\nEnvironment=XDG_RUNTIME_DIR=${RUNTIME}\\n' >/etc/systemd/system/fleetd.service.d/user.conf
systemctl daemon-reload
systemctl start fleetd
`;

test('systemd_user runs units by the systemd of the user', { skip: fleetProblem() ?? false }, async () => {
  await using fleet = await Fleet.open({ machines: 1 });
  const machine = fleet.machines[0]!;
  await machine.ok('timeout', '30', 'sh', '-e', '-c', SETUP);
  await fleet.until('one machine', async () => (await fleet.machineIds()).length === 1);
  await fleet.start('hello.service', '[Service]\nExecStart=/bin/sleep infinity\n');
  await fleet.active('hello.service');
  const asked = (...args: readonly string[]) =>
    machine.exec(['env', `XDG_RUNTIME_DIR=${RUNTIME}`, 'systemctl', ...args]);
  assert.equal((await asked('--user', 'is-active', 'hello.service')).status, 0);
  assert.notEqual((await asked('is-active', 'hello.service')).status, 0);
  assert.match(await fleet.ok('status', 'hello.service'), /Active: active \(running\)/);
});
