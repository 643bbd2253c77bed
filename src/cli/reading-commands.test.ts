import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { until } from '../lib/test-until.ts';
import { TestLab } from './test-lab.ts';

const TALKER =
  '[Unit]\nDescription=Talks\n\n[Service]\nExecStart=/bin/sh -c "echo one; echo two; exec sleep infinity"\n';

let lab: TestLab;
before(async () => {
  lab = await TestLab.start(2);
  lab.write('talk.service', TALKER);
  lab.write('all.service', `${TALKER}\n[X-Fleet]\nGlobal=true\n`);
  await lab.ok('start ~/talk.service ~/all.service');
  await lab.ok('wait talk all');
});
after(() => lab?.close());

test('list-machines', async () => {
  const ids = lab.machines.map(({ id }) => id).sort();
  const rows = ids.map(
    (id) => `${id.slice(0, 8)}...\t${lab.machines.find((machine) => machine.id === id)!.address}\t-\n`,
  );
  assert.equal(await lab.ok('list-machines'), `MACHINE\t\tIP\t\tMETADATA\n${rows.join('')}`);
  assert.equal(await lab.ok('list-machines -no-legend -full -fields=machine'), ids.map((id) => `${id}\n`).join(''));
  const listed = JSON.parse(await lab.ok('list-machines -o json'));
  assert.deepEqual(
    listed.map((machine: { id: string }) => machine.id),
    ids,
  );
});

test('list-units', async () => {
  const sorted = lab.machines
    .map(({ id }, i) => ({ id, legend: lab.legend(i) }))
    .sort((a, b) => (a.id < b.id ? -1 : 1));
  const out = await lab.ok('list-units');
  const [head, first, second, talk] = out.split('\n');
  assert.equal(head, 'UNIT\t\tMACHINE\t\t\tACTIVE\tSUB');
  assert.equal(first, `all.service\t${sorted[0]!.legend}\tactive\trunning`);
  assert.equal(second, `all.service\t${sorted[1]!.legend}\tactive\trunning`);
  assert.match(lab.anonymous(talk!), /^talk\.service\tMACHINE\tactive\trunning$/);
  assert.equal(
    await lab.ok('list-units -no-legend -fields=unit,sub'),
    'all.service\trunning\nall.service\trunning\ntalk.service\trunning\n',
  );
  const hashes = await lab.ok('list-units --fields load,hash --no-legend');
  assert.match(hashes, /^(loaded\t[0-9a-f]{7}\n){3}$/);
  assert.match(
    await lab.ok('list-units --full --fields hash,machine --no-legend'),
    /^([0-9a-f]{40}\t[0-9a-f]{32}\/127\.0\.1\.\d\n){3}$/,
  );
  assert.equal(JSON.parse(await lab.ok('list-units -o json')).length, 3);
});

test('with --no-legend every column is where cut -f finds it, however long the names are', async () => {
  lab.write('a-rather-long-name-of-a-unit.service', TALKER);
  await lab.ok('start ~/a-rather-long-name-of-a-unit.service');
  const line = `"$NODE" "$MAIN" list-units -fields=unit,sub -no-legend | grep ^talk | cut -f2`;
  assert.deepEqual(await shell(line), { status: 0, out: 'running\n', err: '' });
  await lab.ok('destroy a-rather-long-name-of-a-unit');
  await lab.ok('wait --for gone a-rather-long-name-of-a-unit');
  await until('its machine has stopped it', async () => !(await lab.ok('list-units')).includes('a-rather'));
});

test('list-unit-files', async () => {
  const out = lab.anonymous(await lab.ok('list-unit-files'));
  assert.match(out, /^UNIT\t\tHASH\tDSTATE\t\tSTATE\t\tTARGET\n/);
  assert.match(out, /\nall\.service\t[0-9a-f]{7}\tlaunched\t-\t\tglobal\n/);
  assert.match(out, /\ntalk\.service\t[0-9a-f]{7}\tlaunched\tlaunched\tMACHINE\n$/);
  assert.equal(
    await lab.ok('list-unit-files --no-legend --fields unit,global,desc'),
    'all.service\ttrue\tTalks\ntalk.service\tfalse\tTalks\n',
  );
  const old = await lab.run('list-unit-files --no-legend --fields tmachine');
  assert.equal(old.err, 'WARNING: The "tmachine" field is deprecated. Use "target" instead\n');
  assert.equal(lab.anonymous(old.out), 'global\nMACHINE\n');
});

test('cat gives the file back byte for byte', async () => {
  assert.equal(await lab.ok('cat talk'), TALKER);
  assert.deepEqual(await lab.run('cat nope'), { status: 1, out: '', err: 'Unit nope.service not found\n' });
});

test('status, with the exit status of systemctl', async () => {
  const out = await lab.ok('status talk.service');
  assert.match(out, /talk\.service - Talks\n/);
  assert.match(out, /Active: active \(running\)/);
  assert.equal(out.split(/^.*talk\.service - Talks$/m).length, 2);
  const both = await lab.ok('status talk talk');
  assert.equal(both.split(/\n\n.*talk\.service - Talks\n/).length, 2, 'a blank line stands between');
  const everywhere = await lab.ok('status all');
  for (const [i] of lab.machines.entries()) assert.ok(everywhere.includes(`==> ${lab.legend(i)}\n`));
  const [{ reports }] = JSON.parse(await lab.ok('status -o json talk'));
  assert.deepEqual([reports.length, reports[0].exitCode], [1, 0]);
  assert.deepEqual(await lab.run('status nope'), { status: 1, out: '', err: 'Unit nope.service does not exist.\n' });
  lab.write('idle.service', TALKER);
  await lab.ok('submit ~/idle.service');
  assert.deepEqual(await lab.run('status idle'), {
    status: 1,
    out: '',
    err: 'Unit idle.service does not appear to be loaded.\n',
  });
  await lab.ok('load idle');
  assert.equal((await lab.run('status idle')).status, 3);
  await lab.ok('destroy idle');
});

test('journal', async () => {
  assert.equal(await lab.ok('journal --output cat talk'), 'Started Talks.\none\ntwo\n');
  assert.equal(await lab.ok('journal --lines 1 -o cat --sudo talk'), 'two\n');
  const everywhere = await lab.ok('journal -n 1 -o cat all');
  assert.equal(lab.anonymous(everywhere), '==> MACHINE\ntwo\n\n==> MACHINE\ntwo\n');
  const one = lab.machines[1]!;
  assert.equal(await lab.ok(`journal -n 1 -o cat --machine ${one.id.slice(0, 10)} all`), 'two\n');
  assert.deepEqual(await lab.run('journal nope'), { status: 1, out: '', err: 'Unit nope.service does not exist.\n' });
  lab.write('quiet.service', TALKER);
  await lab.ok('submit ~/quiet.service');
  assert.deepEqual(await lab.run('journal quiet'), {
    status: 1,
    out: '',
    err: 'Unit quiet.service does not appear to be running.\n',
  });
  await lab.ok('destroy quiet');
});

test('journal -f goes on until Ctrl-C', async () => {
  const child = lab.spawn('journal', '-f', '-o', 'cat', 'talk');
  let out = '';
  child.stdout!.on('data', (chunk) => {
    out += chunk;
  });
  await until('the journal is printed', () => out === 'Started Talks.\none\ntwo\n');
  const ended = new Promise((resolve) => child.once('close', (code) => resolve(code)));
  child.kill('SIGINT');
  assert.equal(await ended, 130);
});

test('why', async () => {
  const out = lab.anonymous(await lab.ok('why talk'));
  assert.match(out, /^MACHINE\t\t\tUNITS\tWHY\n/);
  assert.match(out, /MACHINE\t\d\there: .+\n/);
  assert.match(out, /\ntalk\.service: placed on MACHINE.*\n$/);
  assert.equal(JSON.parse(await lab.ok('why -o json talk')).machines.length, 2);
  assert.deepEqual(await lab.run('why nope'), { status: 1, out: '', err: 'Unit nope.service does not exist.\n' });
});

test('wait', async () => {
  assert.equal(await lab.ok('wait --for gone nope'), 'Unit nope.service gone\n');
  assert.equal(lab.anonymous(await lab.ok('wait --for loaded talk')), 'Unit talk.service loaded on MACHINE\n');
  assert.deepEqual(await lab.run('wait --for inactive --timeout 200ms talk'), {
    status: 1,
    out: '',
    err: 'Timed out after 200ms waiting for unit talk.service to be inactive: it is active (running)\n',
  });
  assert.match((await lab.run('wait --timeout 200ms nope')).err, /to be active: it is not there\n$/);
  lab.write('later.service', TALKER);
  const waiting = lab.run('wait later.service --timeout 20s');
  await lab.ok('start ~/later.service');
  assert.match(lab.anonymous((await waiting).out), /^Unit later\.service active on MACHINE\n$/);
  const gone = lab.run('wait --for gone later.service --timeout 20s');
  await lab.ok('destroy later');
  assert.equal((await gone).out, 'Unit later.service gone\n');
});

test('machines go by their names, addresses and the beginnings of their ids', async () => {
  const [first] = lab.machines;
  for (const name of ['m1', first!.address, first!.id.slice(0, 8), `${first!.id.slice(0, 8)}...`])
    assert.equal(await lab.ok(`list-machines --no-legend --full --fields machine ${name}`), `${first!.id}\n`, name);
  assert.match(await lab.ok('list-machines -o wide m1'), /^MACHINE\t+HOSTNAME\t+IP\t+VERSION\t+METADATA\n\S+\t+m1\t/);
  assert.match(await lab.ok('list-units -o wide talk'), /^UNIT\t+MACHINE\t+HOSTNAME\t+LOAD\t+ACTIVE\t+SUB\t+HASH\n/);
  const { machineID } = JSON.parse(await lab.ok('list-units -o json talk'))[0];
  const { number } = lab.machines.find(({ id }) => id === machineID)!;
  assert.match(await lab.ok(`status --machine m${number} talk`), /Active: active/);
  await lab.ok(`journal --machine m${number} talk`);
  assert.match((await lab.run('list-machines m7')).err, /^no machine of the cluster is m7: give its name/);
});

test('events', async () => {
  const past = await lab.ok('events -n 200 talk');
  assert.match(lab.anonymous(past), /\ttalk\.service was placed on MACHINE/);
  assert.ok(!past.includes('all.service'));
  assert.equal((await lab.ok('events -n 1')).split('\n').length, 2);
  for (const line of (await lab.ok('events -o json')).trim().split('\n'))
    assert.equal(JSON.parse(line).type, 'happened');
  const last = JSON.parse((await lab.ok('events -n 1 -o json --unit talk')).trim());
  assert.deepEqual([last.unit, typeof last.atMs, typeof last.revision], ['talk.service', 'number', 'number']);
  assert.equal(await lab.ok(`events --since 1h -o json talk`), await lab.ok('events -n 1000 -o json talk'));
  assert.equal(await lab.ok('events --until 1h talk'), '');
  assert.match(await lab.ok('events --since today --machine m1'), /joined the cluster/);
  assert.deepEqual(await lab.run('events nosuch'), {
    status: 1,
    out: '',
    err: 'Unit nosuch.service does not exist, and no event of it is remembered: see fleetctl list-unit-files\n',
  });
  assert.deepEqual(await lab.run('events --machine nosuch'), {
    status: 1,
    out: '',
    err: 'no machine is nosuch, and none of these events is about one that was: see fleetctl list-machines\n',
  });
  assert.equal(await lab.ok(`events --machine ${'0'.repeat(32)}`), '');
  assert.match((await lab.run('events --since soon')).err, /--since "soon" is no time/);
  assert.deepEqual(await lab.run('events -f --until now'), {
    status: 2,
    out: '',
    err: '--follow goes on until Ctrl-C, and --until ends before: give one of them\n',
  });
  const child = lab.spawn('events', '-f', '-n', '0', 'evt');
  let out = '';
  child.stdout!.on('data', (chunk) => {
    out += chunk;
  });
  lab.write('evt.service', TALKER);
  // Submit again until the stream, which needs time to begin, has seen it.
  await until('the event is printed', async () => {
    await lab.ok('submit ~/evt.service');
    await lab.ok('destroy evt');
    return /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\tevt\.service was /.test(out);
  });
  child.kill('SIGINT');
});

test('a reader who has had enough, and a stdin that is closed, are no failures', async () => {
  const { status, out, err } = await shell(`"$NODE" "$MAIN" list-units <&- | head -1; exit \${PIPESTATUS[0]}`);
  assert.deepEqual([status, out, err], [0, 'UNIT\t\tMACHINE\t\t\tACTIVE\tSUB\n', '']);
});

test('output that cannot be written is a failure, told in a sentence, also while a command waits', async () => {
  lab.write('full.service', TALKER);
  await lab.ok('submit ~/full.service');
  const err = 'cannot write the output: no space left on device\n';
  for (const line of ['list-units', 'journal talk', 'start full', 'wait talk', 'wait full']) {
    assert.deepEqual(await shell(`"$NODE" "$MAIN" ${line} >/dev/full`), { status: 1, out: '', err }, line);
  }
  await lab.ok('destroy full');
});

const ownFleetd = existsSync('/var/run/fleet.sock');

test('without an endpoint the lab is found, also when its first machine is dead', {
  skip: ownFleetd && 'a fleetd runs here',
}, async () => {
  const { FLEETCTL_ENDPOINT: named, ...env } = lab.env;
  lab.env['FLEETCTL_ENDPOINT'] = '';
  assert.match(await lab.ok('list-machines --no-legend'), /^(.+\n){2}$/);
  const waiting = lab.run('wait --timeout 60s moved.service');
  await lab.spawned('lab', 'kill', '1');
  await until('the dead machine is gone', async () => /^.+\n$/.test(await lab.ok('list-machines --no-legend')));
  lab.write('moved.service', TALKER);
  await lab.ok('start ~/moved.service');
  assert.match((await waiting).out, /^Unit moved\.service active on /, 'the wait went on with another machine');
  await lab.spawned('lab', 'revive', '1');
  await until('it is back', async () => /^(.+\n){2}$/.test(await lab.ok('list-machines --no-legend')));
  Object.assign(lab.env, env, { FLEETCTL_ENDPOINT: named });
});

async function shell(script: string): Promise<{ status: number; out: string; err: string }> {
  const { spawnSync } = await import('node:child_process');
  const env = { ...process.env, ...lab.env, NODE: process.execPath, MAIN: `${import.meta.dirname}/main.ts` };
  const { status, stdout, stderr } = spawnSync('bash', ['--norc', '-c', script], { env, encoding: 'utf8' });
  return { status: status ?? -1, out: stdout, err: stderr };
}
