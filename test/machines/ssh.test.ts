import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { Fleet } from './fleet.ts';
import type { Machine } from './machine.ts';
import { machinesProblem } from './machine-set.ts';
import { hasProgram } from './run.ts';
import { Visitor } from './visitor.ts';

const PROGRAMS: readonly string[] = ['etcd', 'ssh', 'ssh-agent', 'script'];
const missing = PROGRAMS.filter((name) => !hasProgram(name)).join(', ');
const problem =
  machinesProblem() ??
  (missing === '' ? undefined : `missing ${missing}: apt-get install etcd-server openssh-client bsdutils`);

const hello = (machine: Machine) => `[Service]
ExecStart=/bin/sh -c "while :; do echo Hello World; sleep 1; done"

[X-Fleet]
MachineID=${machine.machineId}
`;

describe('a cluster that is reached by ssh alone', { skip: problem ?? false }, () => {
  let fleet: Fleet;
  let visitor: Visitor;
  let [first, second]: Machine[] = [];
  before(async () => {
    fleet = await Fleet.open({ machines: 1 });
    const alike = 'abcd'.repeat(7);
    for (const end of ['0001', '0002']) await (await fleet.create({ machineId: `${alike}${end}` })).boot();
    await fleet.until('three machines', async () => (await fleet.machineIds()).length === 3);
    [first, second] = fleet.machines;
    await fleet.start('hello.service', hello(second!));
    visitor = await Visitor.open(fleet.set);
  });
  after(async () => {
    await visitor?.[Symbol.asyncDispose]();
    await fleet?.[Symbol.asyncDispose]();
  });

  const tunnel = () => ['--tunnel', first!.address];
  const line = async (...args: readonly string[]) => {
    const { stdout, stderr, status } = await visitor.fleetctl(...args);
    assert.deepEqual([status, stderr], [0, ''], args.join(' '));
    return stdout;
  };

  test('nobody is asked about an unknown machine who cannot answer', async () => {
    const { stdout, stderr, status } = await visitor.fleetctl(...tunnel(), 'list-machines');
    assert.deepEqual([status, stdout], [1, '']);
    assert.match(stderr, /^the key of 172\.18\.0\.11 is unknown: run the command once at a terminal,? [^\n]+\n$/);
    assert.ok(!existsSync(visitor.knownHosts));
  });

  test('yes at a terminal is remembered', async () => {
    assert.equal((await visitor.atTerminal('no', ...tunnel(), 'list-machines')).status, 1);
    const { status, stdout } = await visitor.atTerminal('yes', ...tunnel(), 'list-machines');
    assert.equal(status, 0, stdout);
    assert.match(readFileSync(visitor.knownHosts, 'utf8'), /^172\.18\.0\.11 ssh-ed25519 /m);
    await visitor.disconnect();
    assert.equal(await line(...tunnel(), 'list-machines'), await fleet.ok('list-machines'));
  });

  test('a tunnel leads to the socket of fleetd there, and to its port', async () => {
    assert.equal(await line(...tunnel(), 'cat', 'hello'), hello(second!));
    for (const endpoint of ['unix:///run/fleet.sock', 'http://127.0.0.1:49153', `http://${second!.address}:49153`]) {
      const way = [...tunnel(), '--endpoint', endpoint];
      assert.match(
        await line(...way, 'list-units', '--no-legend'),
        /^hello\.service\t\S+\/172\.18\.0\.12\tactive\trunning$/m,
      );
      assert.match(await line(...way, 'status', 'hello'), /Active: active \(running\)/);
      assert.match(await line(...way, 'journal', '--lines', '1', '--output', 'cat', 'hello'), /^Hello World\n$/);
    }
  });

  test('ssh to the machine of a unit goes by way of the tunnel, and its exit status comes back', async () => {
    const way = [...tunnel(), 'ssh', 'hello.service'];
    const refused = await visitor.fleetctl(...way, 'hostname');
    assert.match(refused.stderr, /^the key of 172\.18\.0\.12 is unknown/);
    const { status, stdout } = await visitor.atTerminal('yes', ...way, 'hostname; exit 7');
    assert.equal(status, 7, stdout);
    assert.ok(stdout.endsWith(`${second!.name}\r\n`), stdout);
    // From the machine at the tunnel's end, not from here.
    assert.match(await line(...way, 'echo', '$SSH_CONNECTION'), /^172\.18\.0\.11 \d+ 172\.18\.0\.12 22\n$/);
    assert.equal((await visitor.fleetctl(...way, '--', 'exit', '3')).status, 3);
  });

  test('ssh straight to a machine, by the beginning of its id', async () => {
    const way = ['--endpoint', `http://${first!.address}:49153`, 'ssh'];
    assert.equal(await line(...way, first!.machineId.slice(0, 8), 'cat', '/etc/machine-id'), `${first!.machineId}\n`);
    const ambiguous = await visitor.fleetctl(...way, 'abcd', 'true');
    assert.match(
      ambiguous.stderr,
      /^ambiguous machine abcd: it may be (abcd){7}0001 \(\S+, 172\.18\.0\.12\) or (abcd){7}0002 \(\S+, 172\.18\.0\.13\)\n$/,
    );
    assert.equal(ambiguous.status, 1);
    assert.equal((await visitor.fleetctl(...way, 'ffff0000', 'true')).status, 1);
  });

  test('the agent goes along when it is asked to, and opens the next machine', async () => {
    const hop = `ssh -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o BatchMode=yes ${first!.address} hostname`;
    const way = [...tunnel(), 'ssh'];
    assert.match(await line(...way, '-A', 'hello', '--', `${hop} 2>/dev/null`), new RegExp(`^${first!.name}\n$`));
    assert.equal((await visitor.fleetctl(...way, 'hello', hop)).status, 255);
  });

  test('a machine that shows another key than before is not talked to', async () => {
    await visitor.disconnect();
    await first!.ok('sh', '-c', 'cd /etc/ssh && rm host_key* && ssh-keygen -qt ed25519 -N "" -f host_key');
    await first!.ok('systemctl', 'restart', 'machine-sshd');
    await fleet.until('its sshd answers again', async () => {
      const { stderr, status } = await visitor.fleetctl(...tunnel(), 'list-machines');
      return status === 1 && /^the key of 172\.18\.0\.11 is not the one in \S+:\d+: somebody may be in/.test(stderr);
    });
    assert.equal((await visitor.atTerminal('yes', ...tunnel(), 'list-machines')).status, 1);
    const anyKey = [...tunnel(), '--strict-host-key-checking=false'];
    assert.equal(await line(...anyKey, 'list-machines'), await fleet.ok('list-machines'));
  });
});
