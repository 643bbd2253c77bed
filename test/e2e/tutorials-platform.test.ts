import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { until } from '../../src/lib/test-until.ts';
import { whyNoDocker } from './docker-daemon.ts';
import { DockerLab, legend } from './docker-lab.ts';

interface Instance {
  readonly unit?: string;
  readonly source: string;
  readonly tags: readonly string[];
}

const ROLES: readonly string[] = ['server', 'server', 'client', 'server'];

/** A platform for containers: four machines with roles, ten instances of a web application, one machine shut down. */
describe('the walk-through of a container platform', { skip: whyNoDocker() ?? false }, () => {
  let lab: DockerLab;
  before(async () => {
    lab = await DockerLab.start(4);
  });
  after(() => lab?.dispose());

  const typed = (line: string) => lab.typed('platform', line);
  const monitors = (...numbers: number[]) => numbers.map((number) => `paas-monitor@${number}.service`);

  test('machines show the metadata they were given', async () => {
    const machines = await lab.machines();
    const patch = machines.flatMap(({ id }, i) =>
      Object.entries({ consul_role: ROLES[i], region: 'us-west-2' }).map(([key, value]) => ({
        op: 'add',
        path: `/${id}/metadata/${key}`,
        value,
      })),
    );
    const response = await fetch(`${machines[0]!.endpoint}/fleet/v1/machines`, {
      method: 'PATCH',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(patch),
    });
    assert.equal(response.status, 204);
    const row = ({ id, address }: (typeof machines)[number], i: number) =>
      `${id.slice(0, 8)}...\t${address}\tconsul_role=${ROLES[i]},region=us-west-2`;
    const expected = ['MACHINE\t\tIP\t\tMETADATA', ...machines.map(row).sort(), ''].join('\n');
    assert.equal(await typed('fleetctl list-machines'), expected);
  });

  test('a loop over the ids of all machines visits each', async () => {
    const line = 'for machine in $(fleetctl list-machines -fields=machine -no-legend -full) ; do echo $machine; done';
    const ids = (await lab.machines()).map(({ id }) => `${id}\n`).sort();
    assert.equal(await typed(line), ids.join(''));
    assert.equal(await typed('fleetctl list-machines -fields=machine -no-legend -full | head -1'), ids[0]);
  });

  test('one instance is submitted and started, then nine more', async () => {
    await typed('fleetctl submit paas-monitor@.service');
    const started = await typed('fleetctl start paas-monitor@1');
    assert.match(started, /^Unit paas-monitor@1\.service launched on [0-9a-f]{8}\.\.\.\/127\.0\.1\.\d\n$/);
    const status = await until('the status tells that the image came', async () => {
      // The import keeps the disk busy: a status that the store does not confirm in time is asked for again.
      const { out } = await lab.type('platform', 'fleetctl status paas-monitor@1');
      return out.includes('Downloaded newer image') ? out : undefined;
    });
    assert.match(status, /^● paas-monitor@1\.service - paas-monitor\n/);
    assert.match(status, /ExecStartPre=\/usr\/bin\/docker rm paas-monitor-1 \(code=exited, status=1\/FAILURE\)/);
    assert.match(status, /└─\d+ \/usr\/bin\/docker run --rm --name paas-monitor-1 .* -P --dns 172\.17\.42\.1/);

    const more = (await typed('fleetctl start paas-monitor@{2..10}')).split('\n').slice(0, -1);
    assert.deepEqual(
      more.map((line) => /^Unit (\S+) launched on /.exec(line)?.[1]).sort(),
      monitors(2, 3, 4, 5, 6, 7, 8, 9, 10).sort(),
    );
    const units = await lab.units();
    assert.deepEqual([...units.keys()], monitors(1, 2, 3, 4, 5, 6, 7, 8, 9, 10).sort());
    const counts = [1, 2, 3, 4].map((number) => [...units.values()].filter(({ machine }) => machine === number).length);
    assert.deepEqual(counts.sort(), [2, 2, 3, 3]);
  });

  test('each instance answers on a port of its machine', async () => {
    for (const [name, { machine }] of await lab.units()) {
      const container = name.replace('@', '-').replace('.service', '');
      const answer = await until(`${name} answers`, async () => {
        const [address] = (await lab.hosts.docker(machine, 'port', container, '1337').catch(() => '')).split('\n');
        if (!address) return undefined;
        return await lab.hosts.fetch(machine, address.split(':')[1]!).catch(() => undefined);
      });
      const id = await lab.hosts.docker(machine, 'ps', '-q', '--filter', `name=^${container}$`);
      assert.equal(answer, `Hello World from ${id}`);
    }
  });

  test('each container is an instance of its service, wherever one asks', async () => {
    const published = async () => {
      const units = [...(await lab.units())];
      const ports = units.map(async ([name, { machine }]) => {
        const container = name.replace('@', '-').replace('.service', '');
        const [address] = (await lab.hosts.docker(machine, 'port', container, '1337')).split('\n');
        return `127.0.1.${machine}:${address!.split(':')[1]}`;
      });
      return (await Promise.all(ports)).sort();
    };
    const expected = await published();
    for (const { endpoint } of await lab.machines()) {
      const resolved = async () => (await lab.ok('--endpoint', endpoint, 'resolve', 'paas-monitor')).split('\n').sort();
      await until('all ten are known', async () => (await resolved()).slice(1).join() === expected.join());
    }
    const service = JSON.parse(await lab.ok('services', 'paas-monitor', '-o', 'json')) as { instances: Instance[] };
    assert.deepEqual(service.instances.map(({ unit }) => unit).sort(), [...(await lab.units()).keys()]);
    assert.ok(service.instances.every(({ tags, source }) => tags.join() === 'http' && source === 'container'));
  });

  test('a destroyed instance goes, those of a machine that is shut down run elsewhere', async () => {
    const tenth = (await lab.units()).get('paas-monitor@10.service')!.machine;
    assert.equal(await typed('fleetctl destroy paas-monitor@10'), 'Destroyed paas-monitor@10.service\n');
    await until(
      'the container is gone',
      async () => !(await lab.hosts.docker(tenth, 'ps')).includes('paas-monitor-10'),
    );

    const log = readFileSync(path.join(lab.directory, `m${tenth}`, 'fleetd.log'), 'utf8');
    assert.match(log, /Draining unit unit=paas-monitor@10\.service/);
    assert.equal((await lab.ok('resolve', 'paas-monitor')).split('\n').length, 10);

    const victim = (await lab.units()).get('paas-monitor@1.service')!.machine;
    await lab.powerOff(victim);
    const units = await until('all run on the others', async () => {
      const now = await lab.units();
      const moved = [...now.values()].every(({ machine, state }) => machine !== victim && state === 'active running');
      return moved && now.size === 9 ? now : undefined;
    });
    assert.deepEqual([...units.keys()], monitors(1, 2, 3, 4, 5, 6, 7, 8, 9));
    const others = [1, 2, 3, 4].filter((number) => number !== victim);
    await until('nine containers', async () => {
      const containers = await Promise.all(others.map((number) => lab.hosts.docker(number, 'ps', '-q')));
      return containers.join('\n').split('\n').length === 9;
    });
    await until('nine instances, none of them on the lost machine', async () => {
      const { status, out } = await lab.run('resolve', 'paas-monitor');
      return status === 0 && out.split('\n').length === 10 && !out.includes(`127.0.1.${victim}:`);
    });
  });

  test('a unit file named by its path starts, and its status shows what the other machine prints', async () => {
    const file = path.join(import.meta.dirname, 'fixtures/tutorials/centos/test.service');
    const out = await typed(`fleetctl start ${file}`);
    const machine = (await lab.units()).get('test.service')!.machine;
    assert.equal(out, `Unit test.service launched on ${legend((await lab.machines())[machine - 1]!)}\n`);
    const long = (await typed('fleetctl list-machines -l')).split('\n').slice(1, -1);
    for (const line of long) assert.match(line, /^[0-9a-f]{32}\t127\.0\.1\.\d\tconsul_role=\w+,region=us-west-2$/);
    const status = await until('lines of output', async () => {
      const text = await typed('fleetctl status test.service');
      return /(.* docker\[\d+\]: Hello World\n){3}$/.test(text) ? text : undefined;
    });
    assert.match(status, /^● test\.service - MyTestApp\n/);
    assert.match(
      status,
      /Process: \d+ ExecStartPre=\/usr\/bin\/docker kill busybox1 \(code=exited, status=1\/FAILURE\)/,
    );
    assert.match(
      status,
      /└─\d+ \/usr\/bin\/docker run --name busybox1 busybox \/bin\/sh -c while true; do echo Hello World; sleep 1; done\n/,
    );
  });
});
