import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { until } from '../lib/test-until.ts';
import { TestLab } from './test-lab.ts';

const HELLO = '[Unit]\nDescription=MyApp\n\n[Service]\nExecStart=/bin/sleep infinity\n';

let lab: TestLab;
before(async () => {
  lab = await TestLab.start(3);
});
after(() => lab?.close());

async function state(unit: string): Promise<string> {
  const out = await lab.ok('list-unit-files --no-legend --fields unit,dstate,state,target');
  const line = out.split('\n').find((row) => row.startsWith(`${unit}\t`)) ?? '';
  return lab.anonymous(line.split(/\t+/).slice(1).join(' '));
}

test('from a file to a running unit and back, with the lines fleet prints', async () => {
  lab.write('hello.service', HELLO);
  assert.equal(await lab.ok('submit ~/hello.service'), 'Unit hello.service inactive\n');
  assert.equal(await lab.ok('submit ~/hello.service'), '');
  assert.equal(await state('hello.service'), 'inactive inactive -');
  assert.match(lab.anonymous(await lab.ok('load hello.service')), /^Unit hello\.service loaded on MACHINE\n$/);
  assert.equal(await state('hello.service'), 'loaded loaded MACHINE');
  assert.equal(lab.anonymous(await lab.ok('start hello')), 'Unit hello.service launched on MACHINE\n');
  assert.equal(await state('hello.service'), 'launched launched MACHINE');
  const stopped = await lab.run('stop hello');
  assert.deepEqual(
    { ...stopped, out: lab.anonymous(stopped.out) },
    {
      status: 0,
      out: 'Unit hello.service loaded on MACHINE\n',
      err: 'Successfully stopped units [hello.service].\n',
    },
  );
  const restarted = 'Unit hello.service launched on MACHINE\n';
  assert.equal(lab.anonymous(await lab.ok('restart hello')), restarted);
  assert.equal(
    lab.anonymous(await lab.ok('restart hello.service')),
    `Unit hello.service loaded on MACHINE\n${restarted}`,
  );
  assert.deepEqual(await lab.run('unload hello'), {
    status: 0,
    out: 'Unit hello.service inactive\n',
    err: 'Successfully unloaded units [hello.service].\n',
  });
  assert.equal(await state('hello.service'), 'inactive inactive -');
  assert.equal(await lab.ok('destroy hello'), 'Destroyed hello.service\n');
  assert.deepEqual(await lab.run('destroy hello'), { status: 0, out: '', err: 'Units not found in registry\n' });
});

test('a unit that fails when it is stopped starts again, and the old failure is not told of the new start', async () => {
  // Not a clean end: only four signals are.
  lab.write(
    'sore.service',
    '[Unit]\nStartLimitIntervalSec=0\n[Service]\nExecStart=/bin/sleep infinity\nKillSignal=SIGUSR1\n',
  );
  await lab.ok('start ~/sore.service');
  for (let round = 0; round < 8; round++) {
    assert.equal((await lab.run('stop sore')).status, 0);
    assert.match(await lab.ok('list-units --no-legend --fields unit,active'), /^sore\.service\s+failed$/m);
    assert.equal(lab.anonymous(await lab.ok('start sore')), 'Unit sore.service launched on MACHINE\n');
    assert.match(await lab.ok('list-units --no-legend --fields unit,active'), /^sore\.service\s+active$/m);
    await lab.ok('restart sore');
  }
  await lab.ok('destroy sore');
});

test('several units are told apart, and those that are not there are named', async () => {
  lab.write('a.service', HELLO);
  lab.write('b.service', HELLO);
  const started = lab.anonymous(await lab.ok('start ~/a.service ~/b.service ~/a.service'));
  assert.deepEqual(started.split('\n').sort(), [
    '',
    'Unit a.service launched on MACHINE',
    'Unit b.service launched on MACHINE',
  ]);
  const stopped = await lab.run('stop a b nope');
  assert.equal(stopped.err, 'Unit nope.service does not exist.\nSuccessfully stopped units [a.service b.service].\n');
  const destroyed = await lab.run('destroy a nope b');
  assert.deepEqual(destroyed, {
    status: 0,
    out: 'Destroyed a.service\nDestroyed b.service\n',
    err: 'Unit nope.service does not exist.\n',
  });
});

test('units are found in the registry, in a file, in a template there, in a template beside the path', async () => {
  lab.write('web@.service', HELLO);
  assert.equal(lab.anonymous(await lab.ok('start ~/web@1')), 'Unit web@1.service launched on MACHINE\n');
  assert.equal(await lab.ok('submit ~/web@.service'), 'Unit web@.service inactive\n');
  assert.equal(lab.anonymous(await lab.ok('start web@2.service')), 'Unit web@2.service launched on MACHINE\n');
  assert.equal(await lab.ok('cat web@2'), HELLO);
  for (const name of ['nope', 'nope@1']) {
    const { status, err } = await lab.run(`start ${name}`);
    assert.equal(status, 1);
    assert.match(
      err,
      new RegExp(`^Error creating units: unable to find Unit\\(${name}\\.service\\) in Registry or on filesystem`),
    );
  }
  const template = await lab.run('start web@.service');
  assert.deepEqual([template.status, template.out], [1, '']);
  assert.match(template.err, /cannot activate template "web@\.service": start an instance of it, such as web@1\n$/);
  await lab.ok('destroy web@.service web@1 web@2');
});

test('a file that differs is warned of, and replaces only as far as the command may', async () => {
  lab.write('r.service', HELLO);
  await lab.ok('start ~/r.service');
  lab.write('r.service', `${HELLO}# a comment does not count\n`);
  assert.equal((await lab.run('start ~/r.service')).err, '');
  assert.equal(await lab.ok('submit --replace ~/r.service'), 'Found same Unit(r.service) in Registry, nothing to do\n');
  lab.write('r.service', HELLO.replace('infinity', '1000'));
  const differs =
    'WARNING: Unit r.service in registry differs from local unit file ~/r.service. Add --replace to override.\n';
  assert.equal((await lab.run('start ~/r.service')).err, differs);
  for (const command of ['submit', 'load']) {
    const refused = await lab.run(`${command} --replace ~/r.service`);
    const warning =
      "Warning: can not replace Unit(r.service) in state 'launched', use the appropriate command: " +
      'fleetctl start --replace ~/r.service\n';
    assert.deepEqual(refused, { status: 1, out: '', err: warning });
    assert.equal(await state('r.service'), 'launched launched MACHINE');
  }
  assert.equal(lab.anonymous(await lab.ok('start --replace ~/r.service')), 'Unit r.service launched on MACHINE\n');
  assert.match(await lab.ok('cat r'), /sleep 1000/);
  assert.match(await lab.ok('status r'), /sleep 1000/);
  await lab.ok('destroy r');
});

test('--no-block says what it triggered', async () => {
  lab.write('n.service', HELLO);
  assert.equal(await lab.ok('start --no-block ~/n.service'), 'Triggered unit n.service start\n');
  assert.match(await lab.ok('wait n'), /^Unit n\.service active on /);
  assert.equal((await lab.run('stop --no-block n')).out, 'Triggered unit n.service stop\n');
  assert.equal(await lab.ok('wait --for inactive n'), 'Unit n.service inactive\n');
  assert.equal((await lab.run('unload --no-block n')).out, 'Triggered unit n.service unload\n');
  await lab.ok('destroy n');
});

test('on a terminal, many units show how many are there, and states have colours', async () => {
  lab.write('many@.service', HELLO);
  const line = 'start ~/many@1 ~/many@2 ~/many@3';
  const { status, out, err } = await lab.run(line, { terminal: true });
  assert.deepEqual([status, out.split('\n').length], [0, 4]);
  const erase = '\r\x1b[K';
  assert.ok(err.startsWith(erase), err);
  assert.match(err, /[012] of 3 units there/);
  assert.ok(err.endsWith(erase), 'nothing is left on the screen');
  assert.match((await lab.run('list-units', { terminal: true })).out, /\t\x1b\[32mactive\x1b\[0m\t/);
  assert.equal((await lab.run(line)).err, '');
  await lab.ok('destroy many@1 many@2 many@3');
});

test('a global unit is triggered and not waited for', async () => {
  lab.write('g.service', `${HELLO}\n[X-Fleet]\nGlobal=true\n`);
  assert.equal(await lab.ok('start ~/g.service'), 'Triggered global unit g.service start\n');
  const everywhere = lab.machines.map(({ id }) => id).sort();
  assert.match(await lab.ok('wait g'), /^Unit g\.service active on [^,]+, [^,]+, [^,]+\n$/);
  // A unit destroyed before may still be on its way out.
  const listed = JSON.parse(await lab.ok('list-units -o json')) as { name: string; machineID: string }[];
  const placed = listed.filter(({ name }) => name === 'g.service');
  assert.deepEqual(placed.map(({ machineID }) => machineID).sort(), everywhere);
  assert.equal(await state('g.service'), 'launched - global');
  assert.equal(
    await lab.ok('restart g'),
    'Triggered global unit g.service stop\nTriggered global unit g.service start\n',
  );
  assert.equal((await lab.run('stop g')).out, 'Triggered global unit g.service stop\n');
  assert.equal((await lab.run('unload g')).out, 'Triggered global unit g.service unload\n');
  await lab.ok('destroy g');
});

test('a unit that no machine takes is explained within a second, and given up in time', async () => {
  lab.write('mars.service', `${HELLO}\n[X-Fleet]\nMachineMetadata=planet=mars\n`);
  const { status, out, err } = await lab.run('start --timeout 1500ms ~/mars.service');
  assert.deepEqual([status, out], [1, '']);
  const [first, reason, ...rest] = err.split('\n');
  assert.match(first!, /^Unit mars\.service is waiting: none of 3 machines qualifies; still trying for \d+ms$/);
  assert.match(reason!, /planet=mars/);
  assert.match(
    rest.join('\n'),
    /^Error waiting for units: timed out after 1\.5s waiting for unit mars\.service to report state launched: none of 3 machines qualifies; see: fleetctl why mars\.service\n$/,
  );
  const tried = await lab.run('start --block-attempts 1 ~/mars.service');
  assert.match(tried.err, /timed out after 500ms/);
  const both = await lab.run('start --block-attempts 2 --timeout 1h ~/mars.service');
  assert.match(both.err, /; still trying for \d+ms\n.*\n.*timed out after 1s/);
  const forEver = lab.spawn('start', '--block-attempts=0', 'mars');
  let said = '';
  forEver.stderr!.on('data', (chunk) => {
    said += chunk;
  });
  await until('it is explained', () => /^Unit mars\.service is waiting: [^;]*; still trying\n/.test(said));
  forEver.kill();
  assert.deepEqual(await lab.run('stop mars'), {
    status: 1,
    out: '',
    err: 'Unable to stop unit mars.service in state inactive\nIt waits for a machine; to call it off: fleetctl unload mars.service\n',
  });
  lab.write('earth.service', HELLO);
  await lab.ok('start ~/earth.service');
  const restarted = await lab.run('restart mars earth');
  assert.deepEqual([restarted.status, restarted.err], [1, 'Unable to restart unit mars.service in state inactive\n']);
  assert.match(restarted.out, /\nUnit earth\.service launched on [^\n]+\n$/);
  await lab.ok('destroy earth');
  await lab.ok('destroy mars');
});

test('a unit that fails is an error which names machine, result and the next command', async () => {
  // With another type it would be active for a moment, which fleetctl might see.
  lab.write('bad.service', '[Service]\nType=exec\nExecStart=/nowhere/program\n');
  const { status, out, err } = await lab.run('start --timeout 20s ~/bad.service');
  assert.equal(status, 1);
  assert.match(lab.anonymous(out), /^(Unit bad\.service launched on MACHINE\n)?$/);
  assert.match(
    lab.anonymous(err),
    /^Error waiting for units: unit bad\.service (failed|could not be started) on MACHINE.*; see: fleetctl status bad\.service\n$/,
  );
  await lab.ok('destroy bad');
});

test('a one-shot that has run counts as started', async () => {
  lab.write('once.service', '[Service]\nType=oneshot\nExecStart=/bin/true\n');
  assert.equal(
    lab.anonymous(await lab.ok('start --timeout 20s ~/once.service')),
    'Unit once.service launched on MACHINE\n',
  );
  await lab.ok('destroy once');
});

test('somebody else’s destroy ends the wait', async () => {
  lab.write('gone.service', `${HELLO}\n[X-Fleet]\nMachineMetadata=planet=mars\n`);
  const starting = lab.run('start --timeout 20s ~/gone.service');
  await until('the unit is known', async () => (await lab.ok('list-unit-files')).includes('gone.service'));
  await lab.ok('destroy gone');
  const { status, err } = await starting;
  assert.equal(status, 1);
  assert.match(err, /Error waiting for units: unit gone\.service was destroyed while this command waited for it\n$/);
});

const BROKEN: readonly [what: string, text: string, err: RegExp][] = [
  [
    'an open section',
    '[Service\nExecStart=/bin/true\n',
    /^Error creating units: ~\/x\.service:1: unable to find end of section/,
  ],
  ['no equals sign', '[Service]\nExecStart\n', /^Error creating units: ~\/x\.service:2: expected "Name=value"/],
  ['two mistakes', '[Service]\nfoo\nbar\n', /~\/x\.service:2: .*\n~\/x\.service:3: /],
  [
    'options that exclude each other',
    '[X-Fleet]\nGlobal=true\nMachineOf=a.service\n',
    /^Error creating units: ~\/x\.service:3: Global cannot be combined with MachineOf/,
  ],
  ['nothing', '', /^Error creating units: ~\/x\.service: the unit file has no options/],
];

test('a file with mistakes is refused with their lines before anything is sent', async () => {
  lab.write('fine.service', HELLO);
  for (const [what, text, message] of BROKEN) {
    lab.write('x.service', text);
    const { status, out, err } = await lab.run('start ~/fine.service ~/x.service');
    assert.deepEqual([status, out], [1, ''], what);
    assert.match(err, message, what);
  }
  lab.write('bad name.service', HELLO);
  assert.match((await lab.run('start ~/bad;name')).err, /^Error creating units: invalid character ";" in unit name/);
  assert.equal(await lab.ok('list-unit-files --no-legend'), '');
});

test('an unknown [X-Fleet] option is a warning', async () => {
  lab.write('w.service', `${HELLO}\n[X-Fleet]\nPlanet=mars\n`);
  const { status, err } = await lab.run('submit ~/w.service');
  assert.deepEqual([status, err], [0, 'WARNING: ~/w.service:8: unknown option Planet= in [X-Fleet] is ignored\n']);
  await lab.ok('destroy w');
});
