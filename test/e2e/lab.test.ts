import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { test } from 'node:test';
import { freePort } from '../../src/lib/test-free-port.ts';
import { until } from '../../src/lib/test-until.ts';
import { isAlive, LabFixture } from './lab-fixture.ts';

const HELLO = '[Service]\nExecStart=/bin/sh -c "while true; do echo Hello World; sleep 1; done"\n';

async function withLab(play: (lab: LabFixture) => Promise<void>): Promise<void> {
  const lab = new LabFixture();
  try {
    await play(lab);
  } finally {
    await lab.dispose();
  }
}

function writeUnit(lab: LabFixture, name: string, text: string): string {
  const file = path.join(lab.folder, name);
  writeFileSync(file, text);
  return file;
}

/** A unit that leaves its pid in a file, and that file. */
function pidUnit(lab: LabFixture, name: string): { file: string; pid: () => number | undefined } {
  const pidFile = path.join(lab.folder, `${name}.pid`);
  const file = writeUnit(lab, name, `[Service]\nExecStart=/bin/sh -c "echo $$$$ > ${pidFile}; exec sleep 1000"\n`);
  const pid = () => {
    try {
      return Number(readFileSync(pidFile, 'utf8')) || undefined;
    } catch {
      return undefined;
    }
  };
  return { file, pid };
}

test('a lab starts, tells about itself, is not started twice, and stops with everything in it', () =>
  withLab(async (lab) => {
    const out = await lab.up();
    assert.match(out, /The lab is up: 3 machines/);
    assert.match(out, /Try next:\n(.*fleetctl .*\n){5}/);
    const machines = await lab.machines();
    assert.deepEqual(
      machines.map(({ number, address, state }) => [number, address, state]),
      [
        [1, '127.0.1.1', 'up'],
        [2, '127.0.1.2', 'up'],
        [3, '127.0.1.3', 'up'],
      ],
    );
    await until('a leader', async () => (await lab.machines()).filter(({ leader }) => leader).length === 1);
    assert.match(await lab.ok('list-machines'), new RegExp(`${machines[0]!.id.slice(0, 8)}`));

    assert.match(await lab.ok('lab', 'up', '--detach'), /already running/);
    assert.deepEqual(
      (await lab.machines()).map(({ pid }) => pid),
      machines.map(({ pid }) => pid),
    );

    const { file, pid } = pidUnit(lab, 'stays.service');
    await lab.ok('start', file);
    const unitPid = await until('the unit runs', pid);
    assert.match(await lab.ok('lab', 'down'), /The lab is stopped/);
    assert.equal(isAlive(unitPid), false);
    assert.deepEqual(
      machines.filter((machine) => isAlive(machine.pid!)),
      [],
    );

    assert.match(await lab.ok('lab', 'up', '--detach'), /3 machines/);
    await until('the unit is back', async () => (await lab.whereActive('stays.service')) !== undefined);
    assert.notEqual(pid(), unitPid);
  }));

test('units of a machine that loses power run elsewhere, and nothing moves when it comes back', () =>
  withLab(async (lab) => {
    await lab.up();
    const { file, pid } = pidUnit(lab, 'moves.service');
    await lab.ok('start', file);
    const first = await until('active', () => lab.whereActive('moves.service'));
    const firstPid = await until('the unit runs', pid);
    await lab.ok('lab', 'kill', String(first.number));
    assert.equal(isAlive(firstPid), false, 'the units of a dead machine are dead');
    const second = await until('failover', async () => {
      const now = await lab.whereActive('moves.service');
      return now?.number === first.number ? undefined : now;
    });
    await lab.ok('lab', 'revive', String(first.number));
    assert.match(await lab.ok('lab', 'revive', String(first.number)), /is up already/);
    assert.deepEqual(
      (await lab.machines()).map(({ state }) => state),
      ['up', 'up', 'up'],
    );
    assert.equal((await lab.whereActive('moves.service'))?.number, second.number);
  }));

test('units outlive their fleetd and are adopted by the next one', () =>
  withLab(async (lab) => {
    await lab.up('--machines', '1');
    const { file, pid } = pidUnit(lab, 'lives.service');
    await lab.ok('start', file);
    const unitPid = await until('the unit runs', pid);
    await lab.ok('lab', 'kill', '1', '--daemon-only');
    assert.equal((await lab.machines())[0]!.state, 'daemon-dead');
    assert.equal(isAlive(unitPid), true);
    await lab.ok('lab', 'revive', '1');
    await until('active', () => lab.whereActive('lives.service'));
    assert.equal(isAlive(unitPid), true);
    assert.equal(pid(), unitPid);
  }));

test('after a power cut two machines that never saw the unit run it', () =>
  withLab(async (lab) => {
    await lab.up();
    await lab.ok('start', writeUnit(lab, 'hello.service', HELLO));
    const first = await until('active', () => lab.whereActive('hello.service'));
    await lab.ok('lab', 'outage');
    assert.deepEqual(
      (await lab.machines()).map(({ state }) => state),
      ['dead', 'dead', 'dead'],
    );
    const others = [1, 2, 3].filter((number) => number !== first.number);
    await lab.ok('lab', 'restore', ...others.map(String));
    // Until its lease ends, the dead machine's last word still stands.
    await until('active again', async () => others.includes((await lab.whereActive('hello.service'))?.number ?? 0));
    await lab.ok('lab', 'restore');
    assert.equal((await lab.machines())[first.number - 1]!.state, 'up');
  }));

test('Ctrl-C stops a lab in front cleanly', () =>
  withLab(async (lab) => {
    const front = lab.spawn('lab', 'up', '--machines', '2', '--port', String(await freePort()));
    await until('up', () => front.output().includes('Ctrl-C stops the lab'), 60_000);
    const machines = await lab.machines();
    const ended = new Promise((resolve) => front.once('exit', resolve));
    front.kill('SIGINT');
    assert.equal(await ended, 0, front.output());
    assert.match(front.output(), /The lab is stopped/);
    assert.deepEqual(
      machines.filter(({ pid }) => isAlive(pid!)),
      [],
    );
  }));

test('a lab in front tells what happens to it and ends when it is stopped elsewhere', () =>
  withLab(async (lab) => {
    const front = lab.spawn('lab', 'up', '--machines', '2', '--port', String(await freePort()));
    const ended = new Promise((resolve) => front.once('exit', resolve));
    await until('up', () => front.output().includes('Ctrl-C stops the lab'), 60_000);
    await lab.ok('lab', 'kill', '2');
    await until('told', () => front.output().includes('Machine 2 (127.0.1.2) is dead.'));
    await lab.ok('lab', 'down');
    assert.equal(await ended, 0);
  }));

test('a start that was killed half-way is cleared up by the next', () =>
  withLab(async (lab) => {
    const front = lab.spawn('lab', 'up', '--port', String(await freePort()));
    const ended = new Promise((resolve) => front.once('exit', resolve));
    await until('half-way', () => front.output().includes('Starting the store'), 60_000);
    front.kill('SIGKILL');
    await ended;
    const out = await lab.ok('lab', 'up', '--detach');
    assert.match(out, /cut off half-way[\s\S]*The lab is up: 3 machines/);
  }));

test('taken ports are avoided, and it says so', () =>
  withLab(async (lab) => {
    const port = await freePort();
    const other = net.createServer();
    await new Promise<void>((resolve) => other.listen(port, '127.0.1.2', resolve));
    try {
      const out = await lab.ok('lab', 'up', '--detach', '--machines', '2', '--port', String(port));
      assert.match(out, new RegExp(`Port ${port} cannot be had on this computer; the API answers on \\d+ instead`));
      assert.ok(
        (await lab.machines()).every(({ state, endpoint }) => state === 'up' && !endpoint.endsWith(`:${port}`)),
      );
    } finally {
      other.close();
    }
  }));

test('a machine that does not start is shown with the end of its log; the others run', () =>
  withLab(async (lab) => {
    const { status, err } = await lab.run(
      'lab',
      'up',
      '--detach',
      '--machines',
      '3',
      '--set',
      '2:etcd_cafile=/none.pem',
    );
    assert.equal(status, 1);
    assert.match(
      err,
      /machine 2 did not start; the end of .*m2\/fleetd\.log:\n.*etcd_cafile: cannot read \/none\.pem/s,
    );
    assert.deepEqual(
      (await lab.machines()).map(({ state }) => state),
      ['up', 'dead', 'up'],
    );
  }));

test('labs that start at the same moment, on the same port, are labs of their own', async () => {
  const labs = Array.from({ length: 3 }, () => new LabFixture());
  try {
    const port = String(await freePort());
    await Promise.all(labs.map((lab) => lab.run('lab', 'up', '--detach', '--machines', '2', '--port', port)));
    const machines = await Promise.all(labs.map((lab) => lab.machines()));
    for (const name of ['routerPort', 'routerTlsPort', 'consulPort', 'dnsPort'] as const)
      assert.equal(new Set(machines.map(([first]) => first![name])).size, labs.length, name);
    for (const lab of labs) {
      const ids = (await lab.machines()).map(({ id }) => id).sort();
      const listed = await lab.ok('list-machines', '--full', '--no-legend', '--fields', 'machine');
      assert.deepEqual(
        listed
          .trimEnd()
          .split('\n')
          .map((id) => id.trim())
          .sort(),
        ids,
      );
    }
  } finally {
    await Promise.all(labs.map((lab) => lab.dispose()));
  }
});

test('a damaged lab is refused with what to do about it, and nothing is lost by asking', () =>
  withLab(async (lab) => {
    await lab.up('--machines', '1');
    const [machine] = await lab.machines();
    const file = path.join(lab.directory, 'lab.json');
    const good = readFileSync(file, 'utf8');
    for (const bad of ['', '{"version":1', '{"version":1,"machines":[{}]}', '{"version":99}', 'null']) {
      writeFileSync(file, bad);
      for (const verb of [['up', '--detach'], ['status'], ['down'], ['kill', '1']]) {
        const { status, err } = await lab.run('lab', ...verb);
        assert.equal(status, 1, `${verb} with ${bad}`);
        assert.match(err, /lab\.json .*lab down --wipe/);
        assert.equal(err.trim().split('\n').length, 1);
      }
      assert.equal(readFileSync(file, 'utf8'), bad);
    }
    assert.equal(isAlive(machine!.pid!), true);
    writeFileSync(file, good);
    assert.equal((await lab.machines())[0]!.state, 'up');
    writeFileSync(file, 'x');
    await lab.ok('lab', 'down', '--wipe');
    await until('the machine is gone', () => !isAlive(machine!.pid!));
    assert.match(await lab.up('--machines', '1'), /1 machine/);
  }));

test('a lab whose directory was deleted is ended before a new one starts there', () =>
  withLab(async (lab) => {
    await lab.up('--machines', '1');
    const { file, pid } = pidUnit(lab, 'orphan.service');
    await lab.ok('start', file);
    const unitPid = await until('the unit runs', pid);
    const [machine] = await lab.machines();
    rmSync(lab.directory, { recursive: true });
    assert.match(await lab.up('--machines', '1'), /Ended what a deleted lab had left running/);
    assert.deepEqual([isAlive(machine!.pid!), isAlive(unitPid)], [false, false]);
  }));

const mayMount = process.getuid?.() === 0;

test(
  'a full disk is told, and nothing that runs is harmed',
  { skip: !mayMount && 'only root can mount a small disk' },
  () =>
    withLab(async (lab) => {
      mkdirSync(lab.directory);
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64m', 'tmpfs', lab.directory]);
      try {
        await lab.up('--machines', '2');
        const filler = path.join(lab.directory, 'filler');
        assert.throws(() => writeFileSync(filler, Buffer.alloc(80_000_000)), /ENOSPC/);
        const { status, err } = await lab.run('lab', 'kill', '2');
        assert.equal(status, 1);
        assert.match(err, /the disk is full, make room/);
        assert.equal((await lab.machines())[0]!.state, 'up');
        rmSync(filler);
        await lab.ok('lab', 'kill', '2');
        await lab.ok('lab', 'revive', '2');
      } finally {
        await lab.run('lab', 'down', '--wipe');
        execFileSync('umount', [lab.directory]);
      }
    }),
);

test('a lab that cannot be where it should be is refused in one sentence', () =>
  withLab(async (lab) => {
    writeFileSync(lab.directory, 'a file, not a directory');
    const { status, err } = await lab.run('lab', 'up', '--detach');
    assert.equal(status, 1);
    assert.match(err, /a file is in the way/);
    rmSync(lab.directory);
  }));

test('a wrong command line is one sentence', () =>
  withLab(async (lab) => {
    const cases: readonly [string[], RegExp][] = [
      [['lab', 'fly'], /unknown lab command fly/],
      [['lab', 'up', '--machines', 'many'], /--machines: many is not a whole number/],
      [['lab', 'up', '--speed', '3'], /'--speed'/],
      [['lab', 'kill'], /name the machines/],
      [['lab', 'up', '--agent-ttl', 'soon'], /soon is not a duration/],
    ];
    for (const [args, expected] of cases) {
      const { status, err } = await lab.run(...args);
      assert.equal(status, 2, args.join(' '));
      assert.match(err, expected);
    }
    const none = await lab.run('lab', 'status');
    assert.deepEqual([none.status, /there is no lab in .*lab up/.test(none.err)], [1, true]);
    assert.match(await lab.ok('lab', 'down'), /There is no lab/);
  }));
