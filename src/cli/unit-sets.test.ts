import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { after, before, test } from 'node:test';
import { until } from '../lib/test-until.ts';
import { JSON_SHAPES } from './json-shapes.ts';
import { TestLab } from './test-lab.ts';

const WEB = '[Unit]\nDescription=Web\n\n[Service]\nExecStart=/bin/sh -c "echo one; exec sleep infinity"\n';

let lab: TestLab;
before(async () => {
  lab = await TestLab.start(2);
  lab.write('web@.service', WEB);
  await lab.ok('submit ~/web@.service');
  await lab.ok('start ~/web@1 ~/web@2');
  lab.write('other.service', WEB);
  await lab.ok('start ~/other.service');
});
after(() => lab?.close());

test('lists show the units and machines that are asked for, and nothing else', async () => {
  const units = async (args: string) =>
    (await lab.ok(`list-units --no-legend --fields unit ${args}`)).split('\n').slice(0, -1);
  assert.deepEqual(await units('web@1'), ['web@1.service']);
  assert.deepEqual(await units('web@*'), ['web@1.service', 'web@2.service']);
  assert.deepEqual(await units('web@? other.service'), ['other.service', 'web@1.service', 'web@2.service']);
  assert.deepEqual(
    JSON.parse(await lab.ok('list-units -o json web@2')).map(({ name }: { name: string }) => name),
    ['web@2.service'],
  );
  assert.equal(await lab.ok('list-unit-files --no-legend --fields unit web@.service'), 'web@.service\n');
  assert.deepEqual(await lab.run('list-units nope'), {
    status: 1,
    out: '',
    err: 'no unit of this list is nope.service\n',
  });
  const [first, second] = lab.machines;
  assert.equal(
    await lab.ok(`list-machines --no-legend --full --fields machine ${first!.id.slice(0, 6)}`),
    `${first!.id}\n`,
  );
  assert.equal(await lab.ok(`list-machines --no-legend --fields ip ${second!.address}`), `${second!.address}\n`);
  assert.equal((await lab.run('list-machines zzzz')).status, 1);
});

test('a pattern stands for the units of the cluster that it matches, and says how many', async () => {
  const matched = (count: number) => `web@* matches ${count} units\n`;
  const stopped = await lab.run('stop web@*');
  assert.equal(stopped.status, 0);
  assert.equal(stopped.err, `${matched(2)}Successfully stopped units [web@1.service web@2.service].\n`);
  assert.deepEqual((await lab.run('start web@*')).err, matched(2));
  assert.equal((await lab.run('wait web@*')).err, matched(2));
  const statuses = await lab.run('status web@*');
  assert.deepEqual([statuses.status, statuses.err], [0, matched(2)]);
  const cat = await lab.run('cat web@*');
  assert.equal(cat.err, matched(3));
  assert.equal(
    cat.out,
    ['web@.service', 'web@1.service', 'web@2.service'].map((name) => `# ${name}\n${WEB}`).join('\n'),
  );
  const why = await lab.run('why web@1 web@2');
  assert.match(why.out, /web@1\.service[\s\S]*\n\n[\s\S]*web@2\.service/);
  assert.deepEqual(await lab.run('stop nothing*'), {
    status: 1,
    out: '',
    err: 'no unit of the cluster matches nothing*: fleetctl list-unit-files shows those there are\n',
  });
});

test('journal prints several units, each under its name', async () => {
  const { out, status } = await lab.run('logs --output cat -n 1 web@1 web@2');
  assert.equal(status, 0);
  assert.match(lab.anonymous(out), /^==> web@1\.service on MACHINE\none\n\n==> web@2\.service on MACHINE\none\n$/);
  const half = await lab.run('journal --output cat -n 1 web@1 nope');
  assert.deepEqual([half.status, half.out, half.err], [1, 'one\n', 'Unit nope.service does not exist.\n']);
});

test('start --replace of an instance replaces its template as well', async () => {
  lab.write('web@.service', WEB.replace('echo one', 'echo two'));
  const warned = await lab.run('start ~/web@1');
  assert.match(warned.err, /^WARNING: Unit web@1\.service in registry differs from local template unit file/);
  const replaced = await lab.run('start --replace ~/web@1');
  assert.deepEqual([replaced.status, lab.anonymous(replaced.out)], [0, 'Unit web@1.service launched on MACHINE\n']);
  assert.equal(replaced.err, 'The template web@.service was replaced in the cluster, too\n');
  assert.match(await lab.ok('cat web@1'), /echo two/);
  assert.match(await lab.ok('cat web@.service'), /echo two/);
  assert.match(await lab.ok('cat web@2'), /echo one/);
  const pattern = lab.write('web@.service', WEB.replace('echo one', 'echo three')).replace('@.service', '@*');
  const all = await lab.run(`start --replace ${pattern}`);
  assert.deepEqual([all.status, all.out.split('\n').length], [0, 3]);
  for (const name of ['web@.service', 'web@1', 'web@2']) assert.match(await lab.ok(`cat ${name}`), /echo three/);
  const again = await lab.run('submit --replace ~/web@3');
  assert.deepEqual(again, { status: 0, out: 'Unit web@3.service inactive\n', err: '' });
});

test('what is no unit file and no unit is explained', async () => {
  const missing = async (args: string) => (await lab.run(args)).err;
  const unable = (name: string) => `Error creating units: unable to find Unit(${name}) in Registry or on filesystem`;
  const readme = lab.write('README.md', 'hello');
  mkdirSync(`${dirname(readme)}/units`);
  assert.equal(
    await missing('start ~/README.md'),
    `${unable('README.md.service')}: the file ~/README.md is no unit file by its name, which must end in .service, .timer, .socket or the like\n`,
  );
  assert.equal(
    await missing('start ~/units'),
    `${unable('units.service')}: ~/units is a directory; name the unit files in it, as in ~/units/*\n`,
  );
  assert.equal(
    await missing('start ~/other.servce'),
    `${unable('other.servce.service')}: did you mean other.service?\n`,
  );
  assert.equal(await missing('start ~/othre.service'), `${unable('othre.service')}: did you mean other.service?\n`);
  assert.match(
    await missing('start ./qqqq.service'),
    /: there is no file \.\/qqqq\.service; name a unit file, or a unit/,
  );
  assert.equal(
    await missing('start /no/such/place/qqqq'),
    `${unable('qqqq.service')}: there is no directory /no/such/place\n`,
  );
});

test('status says where a unit is that is not on the machine asked for', async () => {
  const { machineID } = JSON.parse(await lab.ok('list-units -o json other'))[0];
  const elsewhere = lab.machines.find(({ id }) => id !== machineID)!.id;
  const { status, err } = await lab.run(`status --no-block --machine ${elsewhere} other`);
  assert.equal(status, 1);
  assert.match(lab.anonymous(err), /^Unit other\.service is not on machine [0-9a-f]{32}: it is on MACHINE\n$/);
});

test('why shows the last lines of a unit that has failed', async () => {
  lab.write('bad.service', '[Service]\nExecStart=/bin/sh -c "echo the disk is gone; exit 3"\n');
  assert.equal((await lab.run('start ~/bad.service')).status <= 1, true);
  await until('it has failed', async () => (await lab.ok('list-units --no-legend --fields active bad')) === 'failed\n');
  const { status, out } = await lab.run('why bad');
  assert.equal(status, 0);
  assert.match(
    lab.anonymous(out),
    /\nIt has failed on MACHINE \(Result: exit-code, status=3.*\)\. Its last lines there:\n/,
  );
  assert.match(out, /the disk is gone\n/);
});

test('a destroyed unit that still finishes requests is listed as such', async () => {
  lab.write('bye.service', `${WEB}\n[X-Service]\nPort=1\nDrain=60s\n`);
  await lab.ok('start ~/bye.service');
  await lab.ok('destroy --no-block bye');
  assert.match(
    lab.anonymous(await lab.ok('list-units --no-legend bye')),
    /^bye\.service\tMACHINE\tactive\trunning \(destroyed\)\n$/,
  );
  const listed = JSON.parse(await lab.ok('list-units -o json bye'));
  assert.equal(JSON_SHAPES['list-units'].safeParse(listed).success, true);
  const [state] = listed;
  assert.deepEqual([state.systemdSubState, state.destroyed], ['running', true]);
  assert.equal((await lab.run('list-unit-files bye')).status, 1);
});
