/** Every signal to each process of a lab: docs/reference/signals.md says what it does, and this test that it is so. */

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { isRunning, readStat } from '../../src/lib/index.ts';
import { until } from '../../src/lib/test-until.ts';
import { freeBase } from './lab-fixture.ts';
import { assertRow, PROCESSES } from './signal-table.ts';
import { SignalTargets } from './signal-targets.ts';

const lab = new SignalTargets();

async function ask(port: number, host: string): Promise<boolean> {
  return await new Promise((resolve) => {
    const socket = net.connect(port, host, () => socket.write('GET / HTTP/1.0\r\n\r\n'));
    socket
      .on('data', () => resolve(true))
      .on('error', () => resolve(false))
      .on('close', () => resolve(false));
  });
}

describe('signals', { skip: process.platform !== 'linux' }, () => {
  before(async () => {
    await lab.up('--machines', '1', '--port-base', String(await freeBase()));
    const tick = path.join(lab.folder, 'tick.service');
    writeFileSync(tick, '[Service]\nExecStart=/bin/sh -c "while :; do echo tick; sleep 1; done"\n');
    await lab.ok('start', tick);
    // What the supervisor has its receiver of messages for.
    const notify = path.join(lab.folder, 'notify.service');
    writeFileSync(notify, '[Service]\nType=notify\nExecStart=/bin/true\n');
    await lab.ok('load', notify);
  });
  after(() => lab.dispose());

  for (const name of PROCESSES.filter((process) => process.startsWith('fleetd') && process !== 'fleetd-guard'))
    test(`${name} does at each signal what docs/reference/signals.md says`, () => assertRow(lab, name));

  test('a store whose keeper has gone is found, and gets another by lab restore', async () => {
    const first = await lab.find('fleetd-store');
    process.kill(first, 'SIGKILL');
    await until('it was started again', async () => (await lab.find('fleetd-store')) !== first);
    const second = await lab.find('fleetd-store');
    process.kill(await lab.find('fleetd-keeper'), 'SIGKILL');
    assert.equal(await lab.find('fleetd-store'), second);
    const { startTime } = readStat(second)!;
    await lab.ok('lab', 'restore');
    assert.ok(!isRunning({ pid: second, startTime }));
    const third = await lab.find('fleetd-store');
    assert.equal(readStat(third)!.ppid, await lab.find('fleetd-keeper'));
  });

  test('pidof finds the daemon alone', async () => {
    const pid = await lab.find('fleetd');
    const found = execFileSync('pidof', ['fleetd'], { encoding: 'utf8' }).trim().split(' ').map(Number);
    assert.ok(found.includes(pid));
    for (const other of ['fleetd-store', 'fleetd-router', 'fleetd-units'])
      assert.ok(!found.includes(await lab.find(other)), other);
  });

  test('the unit that ran before still runs, and the router responds', async () => {
    const [machine] = await lab.machines();
    await until('the router responds', () => ask(machine!.routerPort, machine!.address));
    await until('tick is active', async () => (await lab.whereActive('tick.service')) !== undefined);
  });

  test('a receiver that crashed is said once', async () => {
    const [machine] = await lab.machines();
    const log = () => readFileSync(path.join(machine!.directory, 'state/supervisor/supervisor.log'), 'utf8');
    process.kill(await lab.find('fleetd-notify'), 'SIGKILL');
    await until('it is said', () => log().includes('The sd_notify receiver process went away and is started again'));
    await lab.find('fleetd-notify');
  });
});
