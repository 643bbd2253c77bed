import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import { Fleet, fleetProblem } from './fleet.ts';
import type { Machine } from './machine.ts';
import { hasProgram } from './run.ts';

const missing = ['dockerd', '/usr/bin/docker', 'busybox'].filter((name) => !hasProgram(name));
const problem =
  missing.length > 0 ? `missing ${missing.join(', ')}: apt-get install docker.io busybox-static` : undefined;

const DOCKER_SERVICE = `[Unit]
After=machine-net.service
[Service]
Type=notify
NotifyAccess=all
ExecStart=/opt/bin/run-docker
ExecStartPost=/opt/bin/import-image
PrivateMounts=yes
KillMode=process
Delegate=yes
`;

/** Containers cannot make groups in the older hierarchies, where a machine has those: docker gets to see only the new one. */
const RUN_DOCKER = `#!/bin/sh
[ ! -d /sys/fs/cgroup/unified ] || mount --bind /sys/fs/cgroup/unified /sys/fs/cgroup
exec dockerd --host unix:///run/docker.sock --iptables=false --bridge=none --storage-driver=vfs
`;

/** Makes the image that others would pull: busybox, and nothing else. */
const IMPORT_IMAGE = `#!/bin/sh
set -e
docker image inspect app >/dev/null 2>&1 && exit
mkdir -p /tmp/image/bin
cp "$(command -v busybox)" /tmp/image/bin/busybox
ln -sf busybox /tmp/image/bin/sh
tar -C /tmp/image -c . | docker import - app
`;

/** As people wrote them for fleet: whatever is left of an earlier container is removed first. */
const APP = `[Unit]
Description=A container
Requires=docker.service
After=docker.service
[Service]
TimeoutStartSec=0
ExecStartPre=-/usr/bin/docker kill %p-%i
ExecStartPre=-/usr/bin/docker rm %p-%i
ExecStart=/usr/bin/docker run --name %p-%i --network host app sh -c 'trap "exit 0" TERM; echo Hello from %i; while :; do busybox sleep 0.1; done'
ExecStop=/usr/bin/docker stop --time 2 %p-%i
[X-Fleet]
Conflicts=%p@*.service
`;

describe('containers, with a dockerd on every machine', { skip: fleetProblem() ?? problem ?? false }, () => {
  let fleet: Fleet;
  before(async () => {
    fleet = await Fleet.open({
      machines: 3,
      files: {
        'etc/systemd/system/docker.service': DOCKER_SERVICE,
        'opt/bin/run-docker': RUN_DOCKER,
        'opt/bin/import-image': IMPORT_IMAGE,
      },
    });
    await fleet.submit('app@.service', APP);
  });
  after(() => fleet?.[Symbol.asyncDispose]());

  const containers = async (machine: Machine) =>
    (await machine.ok('docker', 'ps', '--format', '{{.Names}}')).split('\n').filter(Boolean).sort();

  const running = (machine: Machine, container: string) =>
    fleet.until(`${container} runs`, async () => (await containers(machine)).includes(container));

  test('their units start docker where it does not run, and are seen by fleetctl', async () => {
    await fleet.ok('start', 'app@1', 'app@2');
    const places = await Promise.all([1, 2].map((number) => fleet.active(`app@${number}.service`)));
    for (const [index, [machine]] of places.entries()) await running(machine, `app-${index + 1}`);
    await fleet.until('its words', async () =>
      (await fleet.ok('journal', '--output', 'cat', 'app@1')).includes('Hello from 1'),
    );
  });

  test('fleetd dies and comes back, and the containers do not notice', async () => {
    const [machine] = await fleet.active('app@1.service');
    const pid = await machine.ok('docker', 'inspect', '--format', '{{.State.Pid}}', 'app-1');
    await machine.ok('systemctl', 'kill', '--kill-whom=main', '--signal=KILL', 'fleetd.service');
    await fleet.until('three machines', async () => (await fleet.machineIds()).length === 3);
    assert.equal((await fleet.active('app@1.service'))[0], machine);
    assert.equal(await machine.ok('docker', 'inspect', '--format', '{{.State.Pid}}', 'app-1'), pid);
  });

  test('the power of a machine fails: its container runs elsewhere, and nothing is left of it where it was', async () => {
    const [machine] = await fleet.active('app@1.service');
    await machine.kill();
    const [next] = await fleet.active('app@1.service', (other) => other !== machine);
    await running(next, 'app-1');
    await machine.boot();
    await fleet.until('three machines', async () => (await fleet.machineIds()).length === 3);
    await machine.ok('systemctl', 'start', 'docker.service');
    assert.deepEqual(await containers(machine), []);
    assert.deepEqual(await containers(next), ['app-1']);
  });

  test('a machine is cut off: in the end there is one container of each', async () => {
    const [machine] = await fleet.active('app@2.service');
    await machine.cut();
    const asked = fleet.machines.find((other) => other !== machine)!;
    await fleet.until('app@2 elsewhere', async () => {
      const fields = ['list-units', '--no-legend', '--full', '--fields', 'unit,machine,active'];
      const { stdout } = await fleet.fleetctl(fields, asked);
      return stdout
        .split('\n')
        .some((line) => /^app@2\.service.*\bactive/.test(line) && !line.includes(machine.machineId));
    });
    assert.deepEqual(await containers(machine), ['app-2']);
    await machine.heal();
    await fleet.until('one of each, the second where it went', async () => {
      const all = (await Promise.all(fleet.machines.map(containers))).flat().sort();
      return isDeepStrictEqual(all, ['app-1', 'app-2']) && !(await containers(machine)).includes('app-2');
    });
  });

  test('units are destroyed, and no container is left', async () => {
    await fleet.destroy('app@1.service', 'app@2.service');
    assert.deepEqual((await Promise.all(fleet.machines.map(containers))).flat(), []);
  });
});
