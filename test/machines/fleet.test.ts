import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { AGENT_TTL_MS, Fleet, fleetProblem, mainPid } from './fleet.ts';
import type { Machine } from './machine.ts';

const HELLO = `[Unit]
Description=Says hello
[Service]
ExecStart=/bin/sh -c "while :; do echo Hello World; sleep 1; done"
`;

describe('three machines with systemd, and etcd', { skip: fleetProblem() ?? false }, () => {
  let fleet: Fleet;
  before(async () => {
    fleet = await Fleet.open({ machines: 3 });
  });
  after(() => fleet?.[Symbol.asyncDispose]());

  const others = (machine: Machine) => fleet.machines.filter((other) => other !== machine);

  test('they know of one another', async () => {
    const ids = fleet.machines.map(({ machineId }) => machineId).sort();
    assert.deepEqual([...(await fleet.machineIds())].sort(), ids);
    const [, , table] = await Promise.all(fleet.machines.map((machine) => fleet.fleetctl(['list-machines'], machine)));
    assert.match(table!.stdout, /172\.18\.0\.13\s+number=3/);
  });

  test('a unit is started on one of them, by its systemd', async () => {
    const out = await fleet.start('hello.service', HELLO);
    const [machine] = await fleet.active('hello.service');
    assert.ok(
      out.includes(`Unit hello.service launched on ${machine.machineId.slice(0, 8)}.../${machine.address}`),
      out,
    );
    const status = await machine.ok('systemctl', 'status', 'hello.service');
    assert.match(status, /Loaded: loaded \(\S+\/hello\.service; linked-runtime[;)]/);
    assert.match(
      await machine.ok('readlink', '/run/systemd/system/hello.service'),
      /^\/run\/fleet\/units\/hello\.service$/m,
    );
  });

  test('a unit that fails when it is stopped starts again, and the old failure is not told of the new start', async () => {
    // No clean end: only four signals are.
    await fleet.start(
      'sore.service',
      '[Unit]\nStartLimitIntervalSec=0\n[Service]\nExecStart=/bin/sleep infinity\nKillSignal=SIGUSR1\n',
    );
    for (let round = 0; round < 4; round++) {
      await fleet.ok('stop', 'sore.service');
      await fleet.ok('start', 'sore.service');
      await fleet.ok('restart', 'sore.service');
    }
    await fleet.active('sore.service');
    await fleet.ok('destroy', 'sore.service');
  });

  test('status and journal come from the machine that runs it, whoever asks', async () => {
    const [machine] = await fleet.active('hello.service');
    const asked = others(machine)[0]!;
    const { stdout, stderr, status } = await fleet.fleetctl(['status', 'hello.service'], asked);
    assert.equal(status, 0, stderr);
    assert.match(stdout, /^● hello\.service - Says hello\n +Loaded: loaded/);
    assert.match(stdout, /Active: active \(running\) since/);
    const journal = ['journal', '--lines', '1', '--output', 'cat', 'hello.service'];
    await fleet.until('its words', async () => (await fleet.fleetctl(journal, asked)).stdout === 'Hello World\n');
  });

  test('fleetd dies and comes back, and its units do not notice', async () => {
    const [machine] = await fleet.active('hello.service');
    const [unit, daemon] = [await mainPid(machine, 'hello.service'), await mainPid(machine, 'fleetd.service')];
    await machine.ok('kill', '-9', String(daemon));
    await fleet.until('another fleetd', async () => ![0, daemon].includes(await mainPid(machine, 'fleetd.service')));
    await fleet.until('three machines', async () => (await fleet.machineIds()).length === 3);
    assert.equal((await fleet.active('hello.service'))[0], machine);
    assert.equal(await mainPid(machine, 'hello.service'), unit);
  });

  test('systemd executes itself anew and the bus restarts, and units are still started and stopped', async () => {
    for (const disturb of [['daemon-reexec'], ['restart', 'dbus.service']]) {
      await Promise.all(fleet.machines.map((machine) => machine.ok('systemctl', ...disturb)));
      await fleet.start('short.service', HELLO);
      await fleet.active('short.service');
      await fleet.ok('destroy', 'short.service');
      await fleet.until('short.service gone', async () => (await fleet.units()).length === 1);
    }
  });

  test('the power of its machine fails, and it runs elsewhere', async () => {
    const [machine] = await fleet.active('hello.service');
    await machine.kill();
    const [next, ms] = await fleet.active('hello.service', (other) => other !== machine);
    assert.ok(ms < AGENT_TTL_MS + 3000, `${ms} ms`);
    assert.equal((await fleet.machineIds()).length, 2);
    await machine.boot();
    await fleet.until('three machines', async () => (await fleet.machineIds()).length === 3);
    assert.equal((await fleet.active('hello.service'))[0], next, 'a machine that comes back takes nothing back');
    const { status } = await machine.exec(['systemctl', 'status', 'hello.service']);
    assert.equal(status, 4);
  });

  test('fleetd is stopped, and its units are at once with others', async () => {
    const [machine] = await fleet.active('hello.service');
    const stopped = machine.ok('systemctl', 'stop', 'fleetd.service');
    const asked = others(machine)[0]!;
    const startedAt = performance.now();
    await fleet.until('hello.service elsewhere', async () => {
      const { stdout } = await fleet.fleetctl(
        ['list-units', '--no-legend', '--full', '--fields', 'machine,active'],
        asked,
      );
      return /\bactive/.test(stdout) && !stdout.includes(machine.machineId);
    });
    const ms = performance.now() - startedAt;
    assert.ok(ms < AGENT_TTL_MS, `${ms} ms\n${await fleet.logs()}`);
    await stopped;
    assert.equal((await machine.exec(['systemctl', 'status', 'hello.service'])).status, 4);
    assert.equal(await machine.ok('ls', '/run/fleet/units'), '');
    assert.match(await machine.ok('systemctl', 'show', '--property=Result', 'fleetd.service'), /Result=success/);
    await machine.ok('systemctl', 'start', 'fleetd.service');
    await fleet.until('three machines', async () => (await fleet.machineIds()).length === 3);
  });

  test('global units run everywhere, timers, sockets and mounts as well', async () => {
    const texts: Readonly<Record<string, string>> = {
      'every.service': HELLO,
      'every.mount': '[Mount]\nWhat=tmpfs\nWhere=/every\nType=tmpfs\n',
      'called.socket': '[Socket]\nListenStream=7777\n',
      'ticks.timer': '[Timer]\nOnActiveSec=100ms\nAccuracySec=1ms\nUnit=ticked.service\n',
    };
    const triggered = ['called.service', 'ticked.service'];
    const global = '[X-Fleet]\nGlobal=true\n';
    for (const name of triggered) await fleet.submit(name, `${HELLO}${global}`);
    await fleet.ok('load', ...triggered);
    for (const [name, text] of Object.entries(texts)) await fleet.start(name, `${text}${global}`);
    const everywhere = async (names: readonly string[]) => {
      const active = (await fleet.units()).filter(({ systemdActiveState }) => systemdActiveState === 'active');
      return names.every((name) => active.filter((unit) => unit.name === name).length === fleet.machines.length);
    };
    await fleet.until('all active', () => everywhere([...Object.keys(texts), 'ticked.service']));
    assert.ok(!(await everywhere(['called.service'])));
    for (const machine of fleet.machines) {
      assert.match(await machine.ok('findmnt', '/every'), /tmpfs/);
      await machine.ok('bash', '-c', 'exec 3<>/dev/tcp/127.0.0.1/7777');
    }
    await fleet.until('called', () => everywhere(['called.service']));
    await fleet.ok('destroy', ...Object.keys(texts), ...triggered);
    await fleet.until('only hello.service', async () => (await fleet.units()).length === 1);
  });

  test('a machine that is cut off keeps its unit, and one copy is left when it is back', async () => {
    const [machine] = await fleet.active('hello.service');
    const asked = others(machine)[0]!;
    await machine.cut();
    await fleet.until('hello.service elsewhere', async () => {
      const { stdout } = await fleet.fleetctl(
        ['list-units', '--no-legend', '--full', '--fields', 'machine,active'],
        asked,
      );
      return /\bactive/.test(stdout) && !stdout.includes(machine.machineId);
    });
    assert.equal((await machine.exec(['systemctl', 'is-active', 'hello.service'])).status, 0);
    await machine.heal();
    const running = async () => {
      const all = fleet.machines.map((each) => each.exec(['systemctl', 'is-active', 'hello.service']));
      return (await Promise.all(all)).filter(({ status }) => status === 0).length;
    };
    await fleet.until('one copy', async () => (await running()) === 1 && (await fleet.machineIds()).length === 3);
  });

  test('all machines are lost, two come back, and it runs on one of them', async () => {
    await Promise.all(fleet.machines.map((machine) => machine.kill()));
    await fleet.etcd.kill();
    await fleet.etcd.start();
    await Promise.all(fleet.machines.slice(1).map((machine) => machine.boot()));
    // What the lost machine said last is still there until its lease has ended.
    await fleet.active('hello.service', (machine) => machine !== fleet.machines[0]);
    await fleet.until('two machines', async () => (await fleet.machineIds()).length === 2);
  });
});
