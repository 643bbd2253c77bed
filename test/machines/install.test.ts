import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { until } from '../../src/lib/test-until.ts';
import { mainPid } from './fleet.ts';
import type { Machine } from './machine.ts';
import { addressOf, FLOTILLA, MachineSet, machinesProblem, root } from './machine-set.ts';
import { ok } from './run.ts';

const ETCD_UNIT = '/lib/systemd/system/etcd.service';
const problem =
  machinesProblem() ?? (existsSync(ETCD_UNIT) ? undefined : `missing ${ETCD_UNIT}: apt-get install etcd-server`);

/** Where the clone stands on these machines. */
const CLONE = '/mnt';
const LIMIT_MS = 60_000;

/** The commands of a section of a guide, block by block. */
function blocksOf(title: string, guide: string): string[] {
  const text = readFileSync(`${root}/docs/how-to/${guide}.md`, 'utf8');
  const section = text.split(`\n## ${title}\n`)[1]!.split('\n## ')[0]!;
  return [...section.matchAll(/^```sh\n(.*?)^```$/gms)].map(([, block]) => block!);
}

/** Runs commands of the document in the clone on a machine, which has the addresses of this network and no sudo. */
async function follow(machine: Machine, block: string): Promise<string> {
  const here = block
    .replace(/^me=.*$/m, `me=${machine.address}`)
    .replace(/10\.0\.0\.(\d)/g, (_, number) => addressOf(Number(number)))
    .replace(/\bsudo /g, '');
  return machine.ok('sh', '-e', '-c', `cd ${CLONE}\n${here}`);
}

describe('three machines put together as the guide says', { skip: problem ?? false }, () => {
  let set: MachineSet;
  before(async () => {
    await ok(process.execPath, [`${root}/scripts/build.ts`]);
    set = await MachineSet.open();
    for (let count = 0; count < 3; count++) await set.create();
    await Promise.all(set.machines.map((machine) => machine.boot()));
    await Promise.all(set.machines.map(prepare));
  });
  after(() => set?.[Symbol.asyncDispose]());

  const [install, etcd, fleetd, use] = blocksOf('Put three machines together', 'install') as [
    string,
    string,
    string,
    string,
  ];
  const running = () => set.machines.filter((machine) => machine.running);
  const list = async (machine: Machine, ...args: readonly string[]) =>
    (await machine.exec(['fleetctl', 'list-machines', '--no-legend', ...args])).stdout.split('\n').filter(Boolean);
  const holder = async () => {
    const asked = running().map((machine) => machine.exec(['systemctl', 'is-active', 'hello.service']));
    const states = await Promise.all(asked);
    return running().find((_, index) => states[index]!.status === 0);
  };

  test('every step is followed to the letter', async () => {
    await Promise.all(set.machines.map((machine) => follow(machine, install)));
    await Promise.all(set.machines.map((machine) => follow(machine, etcd)));
    await Promise.all(set.machines.map((machine) => follow(machine, fleetd)));
    await until('three machines', async () => (await list(set.machines[2]!)).length === 3, LIMIT_MS);
    const said = await follow(set.machines[1]!, use);
    assert.match(said, /Unit hello\.service launched on [0-9a-f]{8}\.\.\.\/172\.18\.0\.1\d\n/);
    assert.match(said, /● hello\.service/);
    assert.match(await set.machines[0]!.ok('systemctl', 'status', 'fleetd'), /Status: "In the cluster/);
  });

  test('root and the group fleet may use the socket, and everybody else is told what to do', async () => {
    const machine = set.machines[0]!;
    const mode = (file: string) => machine.ok('stat', '-c', '%a %U:%G', file);
    assert.equal(await mode('/run/fleet.sock'), '660 root:fleet\n');
    assert.equal(await mode('/etc/fleet/fleet.conf'), '640 root:root\n');
    const asNobody = (group: string) =>
      machine.exec(['setpriv', '--reuid=nobody', '--regid=nogroup', `--groups=${group}`, 'fleetctl', 'list-machines']);
    const refused = await asNobody('nogroup');
    assert.equal(refused.status, 1);
    assert.match(
      refused.stderr,
      /you are not in the group fleet: use sudo fleetctl, or run sudo usermod -aG fleet \$USER/,
    );
    assert.equal((await asNobody('fleet')).status, 0);
  });

  test('installed again, fleetd is new and its units have not noticed', async () => {
    const machine = (await holder())!;
    const [daemon, unit] = [await mainPid(machine, 'fleetd.service'), await mainPid(machine, 'hello.service')];
    await machine.ok('sh', '-c', 'echo metadata=kept=yes >>/etc/fleet/fleet.conf');
    // As an earlier version left them.
    await machine.ok('chmod', '0666', '/run/fleet.sock');
    await machine.ok('chmod', '0644', '/etc/fleet/fleet.conf');
    await machine.ok('sh', '-c', "printf '[Socket]\\nBacklog=99\\n' >/etc/systemd/system/fleet.socket.d/mine.conf");
    assert.match(await follow(machine, install), /fleetd was started anew; its units ran on/);
    assert.notEqual(await mainPid(machine, 'fleetd.service'), daemon);
    assert.equal(await mainPid(machine, 'hello.service'), unit);
    await until('its metadata', async () => (await list(machine)).some((line) => line.includes('kept=yes')), LIMIT_MS);
    assert.equal((await list(machine)).length, 3);
    assert.equal(await machine.ok('sh', '-c', 'ls -d /opt/flotilla*'), '/opt/flotilla\n');
    assert.equal(await machine.ok('stat', '-c', '%a', '/run/fleet.sock', '/etc/fleet/fleet.conf'), '660\n640\n');
    assert.equal((await machine.ok('systemctl', 'show', '-P', 'Backlog', 'fleet.socket')).trim(), '99');
  });

  test('a drop-in of fleet.socket applies as the guide says, and units have not noticed', async () => {
    const machine = (await holder())!;
    const unit = await mainPid(machine, 'hello.service');
    const dropIn = '/etc/systemd/system/fleet.socket.d/open.conf';
    await machine.ok('sh', '-c', `printf '[Socket]\\nSocketMode=0666\\n' >${dropIn}; systemctl daemon-reload`);
    const [apply] = blocksOf('Who may use fleetctl', 'secure') as [string];
    await follow(machine, apply);
    const asNobody = ['setpriv', '--reuid=nobody', '--regid=nogroup', '--clear-groups', 'fleetctl', 'list-machines'];
    await until('everybody is let in', async () => (await machine.exec(asNobody)).status === 0, LIMIT_MS);
    assert.equal(await machine.ok('stat', '-c', '%a %U:%G', '/run/fleet.sock'), '666 root:fleet\n');
    assert.equal((await machine.ok('systemctl', 'is-active', 'fleet.socket', 'fleetd')).trim(), 'active\nactive');
    assert.equal(await mainPid(machine, 'hello.service'), unit);
    await machine.ok('rm', dropIn);
    await machine.ok('systemctl', 'daemon-reload');
  });

  test('the plug of the machine that runs it is pulled, and it runs on another', async () => {
    const machine = (await holder())!;
    await machine.kill();
    await until('hello.service elsewhere', async () => (await holder()) !== undefined, LIMIT_MS);
    await until('two machines', async () => (await list(running()[0]!)).length === 2, LIMIT_MS);
  });

  test('what is installed can be removed, and units move away first', async () => {
    const machine = (await holder())!;
    const other = running().find((each) => each !== machine)!;
    await machine.ok('sh', '-c', "printf '[Socket]\\nBacklog=99\\n' >/etc/systemd/system/fleet.socket.d/mine.conf");
    const said = await follow(machine, 'scripts/install.sh --uninstall');
    assert.match(said, /the group fleet, \/etc\/systemd\/system\/fleet\.socket\.d\/mine\.conf are left: --purge/);
    await until('hello.service elsewhere', async () => (await holder()) === other, LIMIT_MS);
    assert.equal(
      await machine.ok(
        'sh',
        '-c',
        'ls -d /opt/flotilla* /usr/local/bin/fleet* /etc/systemd/system/fleet[.d]*.* 2>/dev/null || true',
      ),
      '/etc/systemd/system/fleet.socket.d\n',
    );
    assert.equal(await machine.ok('ls', '/etc/systemd/system/fleet.socket.d'), 'mine.conf\n');
    assert.equal(await machine.ok('cat', '/proc/sys/net/ipv4/tcp_migrate_req'), '0\n');
    assert.match(await machine.ok('cat', '/etc/fleet/fleet.conf'), /^agent_ttl=10s$/m);
    assert.equal((await list(other)).length, 1);
  });

  test('installed anew, the port stays closed, and --purge leaves nothing', async () => {
    const uninstalled = async (each: Machine) => (await each.exec(['test', '-e', '/opt/flotilla'])).status !== 0;
    const gone = (await uninstalled(running()[0]!)) ? running()[0]! : running()[1]!;
    assert.ok(await uninstalled(gone));
    assert.match(await follow(gone, install), /Drop-ins that were here before apply: \S+mine\.conf/);
    await gone.ok('systemctl', 'start', 'fleet.socket');
    assert.equal(
      (await gone.ok('systemctl', 'show', '-P', 'Listen', 'fleet.socket')).trim(),
      '/run/fleet.sock (Stream)',
    );
    await follow(gone, 'scripts/install.sh --purge');
    const left =
      'ls -d /etc/fleet /var/lib/fleet /run/fleet* /etc/systemd/system/fleet*.* /opt/flotilla* 2>/dev/null || true';
    assert.equal(await gone.ok('sh', '-c', left), '');
    assert.equal((await gone.exec(['getent', 'group', 'fleet'])).status, 2);
  });

  test('it does not install over what is not its own', async () => {
    const { status, stderr } = await running()[0]!.exec(['sh', '-c', `${CLONE}/scripts/install.sh --prefix /etc`]);
    assert.equal(status, 1);
    assert.equal(stderr, 'install: --prefix /etc: there is something else than Flotilla\n');
  });
});

/** As far as a machine of a set differs from a fresh one with etcd installed and a clone of the project. */
async function prepare(machine: Machine): Promise<void> {
  const commands = [
    // The clone is bound where programs are installed, and /usr belongs to the host.
    `mount --bind ${FLOTILLA} ${CLONE}`,
    `umount ${FLOTILLA}`,
    'mount -t tmpfs tmpfs /usr/local',
    'install -d -o etcd -g etcd /var/lib/etcd',
    'mkdir -p /etc/default',
    'systemctl --quiet enable etcd',
  ];
  await machine.ok('sh', '-e', '-c', commands.join('\n'));
}
