import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { until } from '../../src/lib/test-until.ts';
import { whyNoDocker } from './docker-daemon.ts';
import { DockerLab } from './docker-lab.ts';

const ON = String.raw`[0-9a-f]{8}\.\.\./127\.0\.1\.\d+`;

/** A container that survives the loss of its machine and of the whole cluster: three machines, each with its docker. */
describe('the walk-through of failover', { skip: whyNoDocker() ?? false }, () => {
  let lab: DockerLab;
  before(async () => {
    lab = await DockerLab.start(3);
  });
  after(() => lab?.dispose());

  const typed = (line: string) => lab.typed('failover', line);
  const hello = async () => (await lab.units()).get('hello.service');

  /** The machine on which the unit runs and prints its line, other than those given. */
  async function saysHello(...elsewhere: number[]): Promise<number> {
    const machine = await until('hello.service runs', async () => {
      const unit = await hello();
      return unit?.state === 'active running' && !elsewhere.includes(unit.machine) ? unit.machine : undefined;
    });
    const status = async () => (await lab.type('failover', 'fleetctl status hello')).out;
    await until('Hello World', async () => / docker\[\d+\]: Hello World\n/.test(await status()));
    assert.match(await lab.hosts.docker(machine, 'logs', 'hello'), /^Hello World$/m);
    return machine;
  }

  test('load places the unit, start starts it there', async () => {
    assert.match(await typed('fleetctl load hello.service'), new RegExp(`^Unit hello\\.service loaded on ${ON}\n$`));
    const place = new RegExp(ON).exec(await typed('fleetctl list-unit-files'))![0];
    assert.deepEqual((await hello())!.state, 'inactive dead');
    assert.equal(
      await typed('fleetctl list-unit-files -no-legend -fields=unit,dstate,state,target'),
      `hello.service\tloaded\tloaded\t${place}\n`,
    );
    assert.equal(await typed('fleetctl start hello.service'), `Unit hello.service launched on ${place}\n`);
    assert.equal(await typed('fleetctl list-units -no-legend'), `hello.service\t${place}\tactive\trunning\n`);
    await saysHello();
  });

  test('the machine is shut down: the service runs on another one', async () => {
    const first = await saysHello();
    await lab.powerOff(first);
    const second = await saysHello(first);
    await lab.powerOn(first);
    assert.equal((await hello())!.machine, second, 'it does not move back');
  });

  test('where the image cannot be had the unit fails and stays, until that machine is restarted', async () => {
    const current = await saysHello();
    const others = [1, 2, 3].filter((number) => number !== current);
    for (const number of others) await lab.hosts.closeRegistry(number);
    await typed('fleetctl destroy hello.service');
    await until('it is gone', async () => (await lab.units()).size === 0);
    for (const number of others) await lab.hosts.docker(number, 'rmi', '-f', 'busybox').catch(() => {});
    // Another unit makes the machine with the image the busiest.
    const { id } = (await lab.machines())[current - 1]!;
    const busy = path.join(lab.folder, 'busy.service');
    writeFileSync(busy, `[Service]\nExecStart=/bin/sleep 1000\n[X-Fleet]\nMachineID=${id}\n`);
    await typed(`fleetctl start ${busy}`);

    const { status, err } = await lab.type('failover', 'fleetctl start hello.service');
    assert.equal(status, 1);
    assert.match(err, /hello\.service.*failed/);
    const failed = (await hello())!;
    assert.equal(failed.state, 'failed failed');
    assert.ok(others.includes(failed.machine));
    assert.match(
      (await lab.type('failover', 'fleetctl status hello')).out,
      /ExecStartPre=\/usr\/bin\/docker pull busybox \(code=exited, status=1\/FAILURE\)/,
    );

    await lab.powerOff(...others);
    assert.equal(await saysHello(...others), current);
    for (const number of others) await lab.powerOn(number);
  });

  test('after a power cut the machines that come back run it, without the one that had it', async () => {
    const before = await saysHello();
    await Promise.all([1, 2, 3].map((number) => lab.hosts.powerOff(number)));
    await lab.ok('lab', 'outage');
    for (const number of [1, 2, 3].filter((other) => other !== before)) await lab.powerOn(number, 'restore');
    await saysHello(before, 0);
    assert.equal((await lab.machines())[before - 1]!.state, 'dead');
    assert.equal((await typed('fleetctl list-machines -no-legend')).split('\n').length - 1, 2);
    assert.match(await typed('fleetctl cat hello.service'), /^Description=My Service$/m);
  });
});
