import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { until } from '../../src/lib/test-until.ts';
import { whyNoDocker } from './docker-daemon.ts';
import { DockerLab, legend } from './docker-lab.ts';

const LEGEND = /[0-9a-f]{8}\.\.\.\/127\.0\.1\.\d+/;

/**
 * An overview of CoreOS and fleet: six machines, a service in a container, templates, units together and units apart.
 * All its containers are called `python-service` or `busybox1`; each machine has a docker of its own, as there, so
 * instances on different machines do not meet.
 */
describe('the walk-through of the overview', { skip: whyNoDocker() ?? false }, () => {
  let lab: DockerLab;
  before(async () => {
    lab = await DockerLab.start(6);
  });
  after(() => lab?.dispose());

  const overview = (line: string) => lab.typed('overview', line);

  /** Waits until list-units shows exactly these units, all running; answers the machine of each. */
  async function allRunning(...names: string[]): Promise<ReadonlyMap<string, number>> {
    const running = until(`${names.join(' ')} run alone`, async () => {
      const units = [...(await lab.units())];
      const complete = units.length === names.length && names.every((name, i) => units[i]![0] === `${name}.service`);
      if (!complete || units.some(([, { state }]) => state !== 'active running')) return undefined;
      return new Map(units.map(([name, { machine }]) => [name.replace('.service', ''), machine]));
    });
    return await running.catch(async (error: Error) => {
      const failed = [...(await lab.units())].filter(([, { state }]) => state !== 'active running');
      const reports = failed.map(async ([name]) => (await lab.type('overview', `fleetctl status ${name}`)).out);
      throw new Error(`${error.message}\n${(await Promise.all(reports)).join('\n')}`);
    });
  }

  /**
   * Waits until nothing is left of units that were destroyed, which goes on after `destroy` has ended: a container that
   * starts meanwhile under the name of one that is being stopped would be stopped in its place.
   */
  async function allGone(): Promise<void> {
    await allRunning();
    for (const { number } of await lab.machines())
      await until(`no container on machine ${number}`, async () => (await lab.hosts.docker(number, 'ps', '-q')) === '');
  }

  test('six machines know one another', async () => {
    const lines = (await overview('fleetctl list-machines')).split('\n');
    assert.match(lines.shift()!, /^MACHINE\t+IP\t+METADATA$/);
    assert.equal(lines.pop(), '');
    assert.equal(lines.length, 6);
    for (const line of lines) assert.match(line, /^[0-9a-f]{8}\.\.\.\t127\.0\.1\.[1-6]\t-$/);
  });

  test('a submitted unit is known, and cat prints it', async () => {
    assert.equal(await overview('fleetctl submit python-test.service'), 'Unit python-test.service inactive\n');
    const [heading, row] = (await overview('fleetctl list-unit-files')).split('\n');
    assert.match(heading!, /^UNIT\t+HASH\t+DSTATE\t+STATE\t+TARGET$/);
    assert.match(row!, /^python-test\.service\t+[0-9a-f]{7}\t+inactive\t+inactive\t+-$/);
    const text = readFileSync(
      path.join(import.meta.dirname, 'fixtures/tutorials/overview/python-test.service'),
      'utf8',
    );
    assert.equal(await overview('fleetctl cat python-test.service'), text);
  });

  test('it is started, listed, and its status tells of its processes and their output', async () => {
    const out = await overview('fleetctl start python-test.service');
    assert.match(out, new RegExp(`^Unit python-test\\.service launched on ${LEGEND.source}\n$`));
    const machine = LEGEND.exec(out)![0];
    const [heading, row] = (await overview('fleetctl list-units')).split('\n');
    assert.match(heading!, /^UNIT\t+MACHINE\t+ACTIVE\t+SUB$/);
    assert.deepEqual(row!.split(/\t+/), ['python-test.service', machine, 'active', 'running']);
    const status = await until('the server says that it listens', async () => {
      const text = await overview('fleetctl status python-test.service');
      return text.includes('Running on http') ? text : undefined;
    });
    for (const expected of [
      /^● python-test\.service - Python service\n +Loaded: loaded \(\S+\/python-test\.service; linked-runtime.*\)\n/,
      /\n +Active: active \(running\) since [A-Z].*; .* ago\n/,
      /\n +Process: \d+ ExecStartPre=\/usr\/bin\/docker kill python-service \(code=exited, status=1\/FAILURE\)\n/,
      /\n +Process: \d+ ExecStartPre=\/usr\/bin\/docker rm python-service \(code=exited, status=1\/FAILURE\)\n/,
      /\n +Process: \d+ ExecStartPre=\/usr\/bin\/docker pull jlordiales\/python-micro-service \(code=exited, status=0\/SUCCESS\)\n/,
      /\n +Main PID: \d+ \(docker\)\n/,
      /\n +CGroup: \S+\/python-test\.service\n +└─\d+ \/usr\/bin\/docker run --name python-service -P jlordiales\/python-micro-service\n\n/,
      /\n[A-Z][a-z]{2} \d\d \d\d:\d\d:\d\d \S+ docker\[\d+\]: Status: Downloaded newer image for jlordiales\/python-micro-service:latest\n/,
      /: Started Python service\.\n/,
      /docker\[\d+\]: {2}\* Running on http:\/\/0\.0\.0\.0:5000\/ \(Press CTRL\+C to quit\)\n/,
    ])
      assert.match(status, expected);
  });

  test('the container answers on its machine, is replaced when it is killed, and not when it is stopped', async () => {
    const { machine } = (await lab.units()).get('python-test.service')!;
    const container = () => lab.hosts.docker(machine, 'ps', '-q', '--filter', 'name=python-service');
    const first = await container();
    const port = (await lab.hosts.docker(machine, 'port', 'python-service', '5000')).split('\n')[0]!.split(':')[1]!;
    assert.equal(await lab.hosts.fetch(machine, port), `Hello World from ${first}`);

    await lab.hosts.docker(machine, 'kill', 'python-service');
    await until('another container', async () => !['', first].includes(await container()));
    await until('running', async () => (await lab.units()).get('python-test.service')!.state === 'active running');

    await lab.hosts.docker(machine, 'stop', 'python-service');
    await until('dead', async () => (await lab.units()).get('python-test.service')!.state === 'inactive dead');
    assert.equal(await container(), '');
    assert.equal(await overview('fleetctl destroy python-test.service'), 'Destroyed python-test.service\n');
    await allGone();
  });

  test('instances of a template, some named by the shell, spread over the machines', async () => {
    await overview('fleetctl submit python-test@.service');
    const started = await overview('fleetctl start python-test@1 python-test@2 python-test@random');
    assert.match(started, new RegExp(`^(Unit python-test@(1|2|random)\\.service launched on ${LEGEND.source}\n){3}$`));
    await allRunning('python-test@1', 'python-test@2', 'python-test@random');
    await overview('fleetctl start python-test@{3..5}');
    const names = ['1', '2', '3', '4', '5', 'random'].map((instance) => `python-test@${instance}`);
    assert.equal(new Set((await allRunning(...names)).values()).size, 6);
    assert.equal(
      await overview('fleetctl destroy python-test@{1..5} python-test@random'),
      [1, 2, 3, 4, 5, 'random'].map((instance) => `Destroyed python-test@${instance}.service\n`).join(''),
    );
    await allGone();
  });

  test('units that name others by MachineOf run beside them, and go away with them', async () => {
    // The text has the edited template submitted as it stands; the registry keeps the old one then, and says so.
    const { err } = await lab.type('together', 'fleetctl submit python-test@.service hello-world@.service');
    assert.match(err, /^WARNING: Unit python-test@\.service in registry differs from local unit file .*--replace.*\n$/);
    await lab.typed('together', 'fleetctl submit --replace python-test@.service');

    await lab.typed('together', 'fleetctl start python-test@1 hello-world@1');
    const pair = await allRunning('hello-world@1', 'python-test@1');
    assert.equal(pair.get('python-test@1'), pair.get('hello-world@1'));

    await lab.typed('together', 'fleetctl start python-test@{2..4} hello-world@{2..4}');
    const numbers = [1, 2, 3, 4];
    const hello = numbers.map((number) => `hello-world@${number}`);
    const python = numbers.map((number) => `python-test@${number}`);
    const all = await allRunning(...hello, ...python);
    for (const number of numbers) assert.equal(all.get(`python-test@${number}`), all.get(`hello-world@${number}`));
    assert.equal(new Set(all.values()).size, 4);

    assert.equal(await lab.typed('together', 'fleetctl destroy hello-world@4'), 'Destroyed hello-world@4.service\n');
    await allRunning(...hello.slice(0, 3), ...python.slice(0, 3));
    const followers = await lab.typed(
      'together',
      'fleetctl list-unit-files -no-legend -fields=unit,dstate,state,target',
    );
    assert.match(followers, /^python-test@4\.service\tlaunched\tinactive\t-$/m);
    await lab.typed('together', 'fleetctl destroy python-test@{1..4} hello-world@{1..3}');
    await allGone();
  });

  test('units that conflict run apart', async () => {
    await lab.typed('apart', 'fleetctl submit --replace python-test@.service');
    await lab.typed('apart', 'fleetctl start python-test@{5..7} hello-world@{5..7}');
    const names = [5, 6, 7].flatMap((number) => [`hello-world@${number}`, `python-test@${number}`]);
    const all = await allRunning(...names.sort());
    for (const number of [5, 6, 7]) assert.notEqual(all.get(`python-test@${number}`), all.get(`hello-world@${number}`));
  });

  test('units of a machine that is halted are spread over the others', async () => {
    const before = await lab.units();
    const victim = before.get('hello-world@5.service')!.machine;
    await lab.powerOff(victim);
    await until('the units run elsewhere', async () => {
      const now = await lab.units();
      return now.size === before.size && [...now.values()].every(({ machine }) => ![0, victim].includes(machine));
    });
    const five = await lab.units();
    assert.notEqual(five.get('python-test@5.service')!.machine, five.get('hello-world@5.service')!.machine);
    assert.ok((await lab.machines()).every((machine) => (machine.number === victim) === (machine.state === 'dead')));
    assert.doesNotMatch(
      await overview('fleetctl list-machines'),
      new RegExp(legend((await lab.machines())[victim - 1]!)),
    );
  });
});
