import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { AGENT_TTL_MS, Fleet, fleetProblem, mainPid } from './fleet.ts';
import type { Machine } from './machine.ts';

/** What the status line says of a TCP port beside it. */
const OPEN = '; the API at [::]:49153 asks for no password';
const SLEEPER = '[Service]\nExecStart=/bin/sleep infinity\n';
const WATCHDOG = '[Service]\nWatchdogSec=4s\n';
/** Clock ticks in a second, as /proc counts processor time. */
const TICKS_PER_SECOND = 100;

describe('fleetd as a service of systemd', { skip: fleetProblem() ?? false }, () => {
  let fleet: Fleet;
  let first: Machine;
  let second: Machine;
  before(async () => {
    // As on a fresh install: the watchdog below has to be quicker.
    fleet = await Fleet.open({ machines: 2, settings: ['agent_ttl=10s'] });
    [first, second] = fleet.machines as [Machine, Machine];
  });
  after(() => fleet?.[Symbol.asyncDispose]());

  const show = async (machine: Machine, property: string, unit = 'fleetd.service') =>
    (await machine.ok('systemctl', 'show', `--property=${property}`, '--value', unit)).trim();
  const status = (machine: Machine) => show(machine, 'StatusText');
  const journal = (machine: Machine) => machine.ok('journalctl', '--no-pager', '-o', 'cat', '-u', 'fleetd.service');
  const together = () => fleet.until('both machines', async () => (await fleet.machineIds()).length === 2);
  const fleetctlOn = (machine: Machine, ...args: readonly string[]) => fleet.fleetctl(args, machine);

  test('systemctl status tells where it stands', async () => {
    const statuses = async () => (await Promise.all(fleet.machines.map(status))).sort();
    await fleet.until(
      'both in the cluster',
      async () => (await statuses()).join() === `In the cluster, leading it${OPEN},In the cluster${OPEN}`,
    );
    assert.equal(await show(first, 'Id', 'fleet.service').catch(() => ''), 'fleet.service');
  });

  test('SIGHUP takes over new metadata; listeners, units and fleetd itself stay', async () => {
    await fleet.start('stays.service', SLEEPER);
    const [machine] = await fleet.active('stays.service');
    const pids = async () => [await mainPid(machine, 'fleetd.service'), await mainPid(machine, 'stays.service')];
    const before = await pids();
    await machine.ok(
      'sh',
      '-c',
      'echo metadata=number=9,disk=ssd >>/etc/fleet/fleet.conf; echo token_limit=50 >>/etc/fleet/fleet.conf',
    );
    await machine.ok('systemctl', 'reload', 'fleetd.service');
    await fleet.until('the new metadata', async () => (await fleet.ok('list-machines')).includes('disk=ssd,number=9'));
    await fleet.until('reloaded', async () => (await show(machine, 'ActiveState')) === 'active');
    assert.deepEqual(await pids(), before);
    assert.match(await journal(machine), /Setting not reloaded: it changes when fleetd restarts setting=token_limit/);
    await machine.ok('sh', '-c', 'echo nonsense >>/etc/fleet/fleet.conf');
    await machine.ok('systemctl', 'reload', 'fleetd.service');
    await fleet.until('that said', async () => (await journal(machine)).includes('Configuration not reloaded'));
    await machine.ok('sed', '-i', '$d', '/etc/fleet/fleet.conf');
    await fleet.until('reloaded', async () => (await show(machine, 'ActiveState')) === 'active');
  });

  test('SIGUSR1 prints what it knows as one line of JSON', async () => {
    await first.ok('systemctl', 'kill', '--signal=USR1', 'fleetd.service');
    const lines = async () => (await journal(first)).split('\n').filter((line) => line.startsWith('{'));
    await fleet.until('a line', async () => (await lines()).length === 1);
    const dump = JSON.parse((await lines())[0]!);
    assert.equal(dump.machine.id, first.machineId);
    assert.equal(dump.machine.endpoint, `http://${first.address}:49153`);
    assert.equal(dump.presence, 'present');
  });

  test('one that hangs is started again, and its units do not notice', async () => {
    const [machine] = await fleet.active('stays.service');
    await machine.ok('mkdir', '-p', '/run/systemd/system/fleetd.service.d');
    await machine.ok('sh', '-c', `printf '%s' '${WATCHDOG}' >/run/systemd/system/fleetd.service.d/watchdog.conf`);
    await machine.ok('systemctl', 'daemon-reload');
    const [unit, killed] = [await mainPid(machine, 'stays.service'), await mainPid(machine, 'fleetd.service')];
    await machine.ok('kill', '-9', String(killed));
    await fleet.until('another', async () => ![0, killed].includes(await mainPid(machine, 'fleetd.service')));
    await together();
    const daemon = await mainPid(machine, 'fleetd.service');
    await sleep(6000);
    assert.equal(await mainPid(machine, 'fleetd.service'), daemon, 'one that does not hang is let be');
    await machine.ok('kill', '-STOP', String(daemon));
    await fleet.until('another', async () => ![0, daemon].includes(await mainPid(machine, 'fleetd.service')));
    await together();
    assert.match(await journal(machine), /Watchdog timeout|Failed with result 'watchdog'/);
    assert.equal((await fleet.active('stays.service'))[0], machine);
    assert.equal(await mainPid(machine, 'stays.service'), unit);
    await machine.ok('rm', '-r', '/run/systemd/system/fleetd.service.d');
    await machine.ok('systemctl', 'daemon-reload');
  });

  test('SIGTERM stops its units, and another machine has them within a second', async () => {
    const [machine] = await fleet.active('stays.service');
    const other = fleet.machines.find((each) => each !== machine)!;
    // One that has only now begun to watch must not wait for the stopped one to come back.
    const daemon = await mainPid(other, 'fleetd.service');
    await other.ok('systemctl', 'kill', '--signal=KILL', 'fleetd.service');
    await fleet.until('another', async () => ![0, daemon].includes(await mainPid(other, 'fleetd.service')));
    await fleet.until('it is back', async () => (await status(other)).startsWith('In the cluster'));
    const startedUs = Number(process.hrtime.bigint() / 1000n);
    await machine.ok('systemctl', 'stop', 'fleetd.service');
    assert.equal(await show(machine, 'Result'), 'success');
    await fleet.until(
      'stays.service elsewhere',
      async () => (await show(other, 'ActiveState', 'stays.service')) === 'active',
    );
    const ms = (Number(await show(other, 'ActiveEnterTimestampMonotonic', 'stays.service')) - startedUs) / 1000;
    console.log(`a unit of a stopped fleetd runs elsewhere after ${Math.round(ms)} ms`);
    assert.ok(ms < 1500, `${ms} ms`);
    assert.equal((await machine.exec(['systemctl', 'status', 'stays.service'])).status, 4);
  });

  test('where fleetd does not run, fleetctl starts it by the socket of its machine', async () => {
    const machine = fleet.machines[(await show(first, 'ActiveState')) === 'active' ? 1 : 0]!;
    assert.equal(await show(machine, 'ActiveState'), 'inactive');
    await fleet.until('an answer', async () => (await fleetctlOn(machine, 'list-machines')).status === 0);
    assert.equal(await show(machine, 'ActiveState'), 'active');
    await together();
    await machine.ok('systemctl', 'stop', 'fleetd.service');
    const other = fleet.machines.find((each) => each !== machine)!;
    const byTcp = `--endpoint=http://${machine.address}:49153`;
    await fleet.until('an answer by TCP', async () => (await fleetctlOn(other, byTcp, 'list-machines')).status === 0);
    assert.equal(await show(machine, 'ActiveState'), 'active');
    await together();
  });

  test('a machine that is switched off in good order gives its units away first', async () => {
    const [machine] = await fleet.active('stays.service');
    const other = fleet.machines.find((each) => each !== machine)!;
    const startedUs = Number(process.hrtime.bigint() / 1000n);
    await machine.powerOff();
    await fleet.active('stays.service', (each) => each === other);
    const ms = (Number(await show(other, 'ActiveEnterTimestampMonotonic', 'stays.service')) - startedUs) / 1000;
    console.log(`a unit of a machine that is switched off runs elsewhere after ${Math.round(ms)} ms`);
    assert.ok(ms < AGENT_TTL_MS, `${ms} ms\n${await fleet.logs()}`);
    await machine.boot();
    await together();
  });

  test('SIGTERM ends it cleanly while etcd is away for long', async () => {
    const [machine] = await fleet.active('stays.service');
    await fleet.etcd.kill();
    await fleet.until('the lease is lost', async () =>
      (await journal(machine)).includes('Server monitor triggered: Monitor timed out before successful heartbeat'),
    );
    assert.equal(await show(machine, 'ActiveState', 'stays.service'), 'active', 'a lost store stops no unit');
    const startedAt = performance.now();
    await machine.ok('systemctl', 'stop', 'fleetd.service');
    console.log(`fleetd stops without etcd within ${Math.round(performance.now() - startedAt)} ms`);
    assert.equal(await show(machine, 'Result'), 'success');
    assert.equal((await machine.exec(['systemctl', 'status', 'stays.service'])).status, 4);
  });

  test('it starts before etcd and waits at rest, then joins by itself', async () => {
    const machine = fleet.machines[(await show(first, 'ActiveState')) === 'active' ? 1 : 0]!;
    await machine.ok('systemctl', 'start', 'fleetd.service');
    assert.equal(await status(machine), `Waiting for etcd at http://172.18.0.1:2379${OPEN}`);
    await sleep(2000);
    const daemon = await mainPid(machine, 'fleetd.service');
    const [ticks, lines] = [await ticksOf(machine, daemon), (await journal(machine)).split('\n').length];
    await sleep(5000);
    const [used, said] = [
      (await ticksOf(machine, daemon)) - ticks,
      (await journal(machine)).split('\n').length - lines,
    ];
    console.log(
      `waiting for etcd for 5 s takes ${(used * 1000) / TICKS_PER_SECOND} ms of a processor and ${said} lines`,
    );
    assert.ok(used < TICKS_PER_SECOND, `${used} ticks`);
    assert.ok(said < 20, await journal(machine));
    const asked = await fleetctlOn(machine, 'list-machines');
    assert.notEqual(asked.status, 0);
    assert.match(asked.stderr, /etcd/);
    await fleet.etcd.start();
    const startedAt = performance.now();
    await together();
    console.log(`both machines are back ${Math.round(performance.now() - startedAt)} ms after etcd`);
    assert.ok(performance.now() - startedAt < 10_000);
    await fleet.active('stays.service');
  });

  test('a machine with the id of another does not join, and joins when it has one of its own', async () => {
    const twin = await fleet.create({ machineId: second.machineId });
    await twin.boot();
    await fleet.until('it says so', async () => (await status(twin)).startsWith('Not joining: another machine'));
    const answer = await twin.ok(
      'curl',
      '-s',
      '-i',
      '--unix-socket',
      '/run/fleet.sock',
      'http://fleet/fleet/v1/machines',
    );
    assert.match(answer, /^HTTP\/1\.1 503 /);
    const { code, message } = JSON.parse(answer.split('\r\n\r\n')[1]!).error;
    assert.equal(code, 503);
    assert.match(message, /^fleet server unable to communicate with etcd: another machine has the id of this one/);
    assert.equal((await fleet.machineIds()).length, 2);
    await fleet.until('still so', async () => (await fleet.ok('list-machines')).includes(second.address), AGENT_TTL_MS);
    await twin.ok('sh', '-c', 'echo 0123456789abcdef0123456789abcdef >/etc/machine-id');
    await fleet.until('three machines', async () => (await fleet.machineIds()).length === 3);
    assert.ok((await fleet.machineIds()).includes('0123456789abcdef0123456789abcdef'));
  });
});

/** Processor time of a process so far, in clock ticks. */
async function ticksOf(machine: Machine, pid: number): Promise<number> {
  const fields = (await machine.ok('cat', `/proc/${pid}/stat`)).split(') ')[1]!.split(' ');
  return Number(fields[11]) + Number(fields[12]);
}
