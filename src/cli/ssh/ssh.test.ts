import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { TestLab } from '../test-lab.ts';
import { sshProblem, TestSshd, terminalProblem } from './test-sshd.ts';

const HELLO = '[Service]\nExecStart=/bin/sh -c "while :; do echo Hello World; sleep 0.2; done"\n';
const EVERYWHERE = '[Service]\nExecStart=/bin/sleep infinity\n[X-Fleet]\nGlobal=true\n';

describe('over ssh', { skip: sshProblem() ?? false }, () => {
  let lab: TestLab;
  let sshd: TestSshd;
  before(async () => {
    lab = await TestLab.start(2);
    sshd = new TestSshd();
    sshd.lab = lab.env['FLOTILLA_LAB']!;
    await sshd.start();
    await lab.ok(`start ${lab.write('everywhere.service', EVERYWHERE)}`);
    const hello = `${HELLO}[X-Fleet]\nMachineID=${lab.machines[0]!.id}\n`;
    await lab.ok(`start ${lab.write('hello.service', hello)}`);
  });
  after(async () => {
    await sshd?.close();
    await lab?.close();
  });

  const first = () => lab.machines[0]!;
  const tunnel = () => ['--tunnel', sshd.address];
  const socket = () => [...tunnel(), '--endpoint', `unix://${first().socket}`];
  const tcp = () => [...tunnel(), '--endpoint', first().endpoint];
  /** Runs `fleetctl ssh` for the only machine of the lab on whose address sshd listens. */
  const ssh = (...args: string[]) =>
    sshd.fleetctl('--endpoint', first().endpoint, 'ssh', '--ssh-port', String(sshd.port), ...args);
  const again = async () => {
    await sshd.stopSshd();
    await sshd.startSshd();
  };

  describe('whose key is known', () => {
    test('an unknown host is refused where nobody can be asked', async () => {
      const { status, out, err } = await sshd.fleetctl(...socket(), 'list-machines');
      assert.deepEqual([status, out], [1, '']);
      assert.match(
        err,
        /^the key of 127\.0\.0\.1:\d+ is unknown: run the command once at a terminal, or with yes [^\n]+\n$/,
      );
      assert.ok(!existsSync(sshd.knownHosts));
    });

    test('stdin answers for a script; without a yes there nothing is stored', async () => {
      const line = `fleetctl ${socket().join(' ')} list-machines`;
      for (const stdin of ['</dev/null', '<&-', '< <(:)', '< <(echo no)', '< <(echo y)']) {
        const { status, out } = await sshd.bash(`${line} ${stdin} 2>&1`);
        assert.equal(status, 1, stdin);
        assert.match(out, /the key of 127\.0\.0\.1:\d+ is unknown/, stdin);
        assert.ok(!existsSync(sshd.knownHosts), stdin);
      }
      const { status, out } = await sshd.bash(`echo yes | ${line} 2>err; s=$?; cat err >&2; rm err; exit $s`);
      assert.deepEqual([status, out], [0, await lab.ok('list-machines')]);
      assert.match(readFileSync(sshd.knownHosts, 'utf8'), /^\[127\.0\.0\.1\]:\d+ ssh-ed25519 /m);
      await sshd.forget();
    });

    test('what follows the yes on stdin is for the command', async () => {
      const line = `--endpoint ${first().endpoint} ssh --ssh-port ${sshd.port} hello wc -l`;
      const { status, out, err } = await sshd.bash(`printf 'yes\\na\\nb\\n' | fleetctl ${line}`);
      assert.deepEqual([status, out.trim()], [0, '2'], err);
      assert.match(err, /^The authenticity of host [\s\S]*continue connecting/);
      await sshd.forget();
    });

    test('at a terminal the question is put, and no leaves all as it was', async () => {
      const { status, out } = await sshd.atTerminal('no', ...socket(), 'list-machines');
      assert.match(out, /Are you sure you want to continue connecting \(yes\/no/);
      assert.match(out, /was not accepted, so nothing was sent there\r\n$/);
      assert.equal(status, 1);
    });

    test('yes stores the key, and nobody is asked again', async () => {
      const { status, out } = await sshd.atTerminal('yes', ...socket(), 'list-machines');
      assert.equal(status, 0, out);
      assert.match(readFileSync(sshd.knownHosts, 'utf8'), /^\[127\.0\.0\.1\]:\d+ ssh-ed25519 /m);
      await again();
      const { out: machines, err } = await sshd.fleetctl(...socket(), 'list-machines');
      assert.deepEqual([machines, err], [await lab.ok('list-machines'), '']);
    });

    test('a key that has changed ends it, whoever is there, and the sentence says what to do', async () => {
      sshd.newHostKey();
      await again();
      const { status, out, err } = await sshd.fleetctl(...socket(), 'list-machines');
      assert.deepEqual([status, out], [1, '']);
      assert.match(err, /^the key of \S+ is not the one in \S+known_hosts:1: somebody may be in between; [^\n]+\n$/);
      const forget = /forget the old one with (.*)\n/.exec(err)![1]!;
      assert.equal((await sshd.atTerminal('yes', ...socket(), 'list-machines')).status, 1);
      assert.equal(spawnSync('sh', ['-c', forget], { env: sshd.env }).status, 0);
      assert.match((await sshd.fleetctl(...socket(), 'list-machines')).err, /is unknown/);
    });

    test('without strict checking any key is taken, and none is stored', async () => {
      const stored = readFileSync(sshd.knownHosts, 'utf8');
      const { status, err } = await sshd.fleetctl(
        ...['--strict-host-key-checking=false', ...socket()],
        'list-machines',
      );
      assert.deepEqual([status, err], [0, '']);
      assert.equal(readFileSync(sshd.knownHosts, 'utf8'), stored);
    });
  });

  describe('a tunnel', () => {
    before(() => sshd.trust());

    test('leads to a socket and to a port at its other end', async () => {
      for (const way of [socket(), tcp()]) {
        const { out, err } = await sshd.fleetctl(...way, 'list-units');
        assert.deepEqual([out, err], [await lab.ok('list-units'), '']);
        assert.match((await sshd.fleetctl(...way, 'journal', '--output', 'cat', 'hello')).out, /^(Hello World\n)+$/);
      }
    });

    test('leads to the lab of its user, where no fleetd runs at the usual place', async () => {
      assert.ok(!existsSync('/var/run/fleet.sock'), 'this computer has a fleetd of its own');
      const { out, err } = await sshd.fleetctl(...tunnel(), 'list-machines');
      assert.deepEqual([out, err], [await lab.ok('list-machines'), '']);
    });

    test('is named by the environment too', async () => {
      const { FLEETCTL_TUNNEL: _, ...before } = sshd.env;
      Object.assign(sshd.env, { FLEETCTL_TUNNEL: sshd.address, FLEETCTL_ENDPOINT: first().endpoint });
      const { out } = await sshd.fleetctl('cat', 'hello.service');
      delete sshd.env['FLEETCTL_TUNNEL'];
      delete sshd.env['FLEETCTL_ENDPOINT'];
      assert.deepEqual(sshd.env, before);
      assert.equal(out, await lab.ok('cat hello.service'));
    });

    test('carries whole commands, with many requests and events', async () => {
      const template = lab.write('many@.service', '[Service]\nExecStart=/bin/sleep infinity\n');
      assert.equal((await sshd.fleetctl(...socket(), 'submit', template)).err, '');
      const names = Array.from({ length: 12 }, (_, i) => `many@${i}`);
      const started = await sshd.fleetctl(...socket(), 'start', ...names);
      assert.deepEqual([started.status, started.err], [0, '']);
      assert.equal(started.out.trimEnd().split('\n').length, 12);
      assert.equal((await sshd.fleetctl(...tcp(), 'destroy', 'many@.service', ...names)).status, 0);
    });

    test('stays for the next one, in a directory of ours alone', async () => {
      await again();
      assert.equal((await sshd.fleetctl(...socket(), 'list-machines')).status, 0);
      assert.equal(statSync(sshd.controlDirectory).mode & 0o777, 0o700);
      const [kept] = sshd.shared();
      const { ino } = statSync(join(sshd.controlDirectory, kept!));
      assert.equal((await sshd.fleetctl(...tcp(), 'list-machines')).status, 0);
      assert.deepEqual(sshd.shared(), [kept]);
      assert.equal(statSync(join(sshd.controlDirectory, kept!)).ino, ino);
    });

    test('is made anew when the one that was kept has died', async () => {
      const [kept] = sshd.shared();
      const check = spawnSync('ssh', ['-S', join(sshd.controlDirectory, kept!), '-O', 'check', 'x'], {
        encoding: 'utf8',
      });
      process.kill(Number(/pid=(\d+)/.exec(check.stderr)![1]), 'SIGKILL');
      assert.ok(sshd.shared().includes(kept!));
      const { status, err } = await sshd.fleetctl(...socket(), 'list-machines');
      assert.deepEqual([status, err], [0, '']);
    });

    test('is not waited for by whoever reads our output', async () => {
      await again();
      // The shell reads the pipe to its end, so that the background connection must not hold it open.
      const { status, out } = await sshd.shell(`x=$(fleetctl ${socket().join(' ')} list-machines 2>&1 <&-); echo "$x"`);
      assert.deepEqual([status, out], [0, await lab.ok('list-machines')]);
    });

    test('that leads nowhere says what is wrong, in a sentence', async () => {
      const wrong: readonly [args: readonly string[], err: RegExp][] = [
        [
          [...tunnel(), '--endpoint', 'unix:///no/such.sock'],
          /API at unix:\/\/\/no\/such\.sock from \S+: .*no such socket/,
        ],
        [
          [...tunnel(), '--endpoint', 'http://127.0.0.1:1'],
          /at http:\/\/127\.0\.0\.1:1 from \S+: nothing listens there/,
        ],
        [['--tunnel', '127.0.0.1:1'], /^cannot reach 127\.0\.0\.1:1 by ssh: connection refused\n/],
        [['--ssh-username', 'nobody', ...tunnel()], /does not let nobody in by ssh \(publickey\S*\): add a key/],
        [['--tunnel', '-oProxyCommand=x'], /names no host for ssh/],
        [['--tunnel', 'a b'], /names no host for ssh/],
      ];
      for (const [args, message] of wrong) {
        const { status, out, err } = await sshd.fleetctl(...args, 'list-machines');
        assert.equal(out, '');
        assert.match(err, message);
        assert.notEqual(status, 0);
        assert.equal(err.trimEnd().split('\n').length, 1, err);
      }
    });
  });

  describe('fleetctl ssh', () => {
    before(() => sshd.trust());

    test('finds the machine by its id, its beginning, and a unit on it', async () => {
      const { id } = first();
      for (const name of [
        [id],
        [id.slice(0, 8)],
        ['hello'],
        ['hel*'],
        ['--machine', id],
        ['--unit', 'hello.service'],
      ]) {
        const { status, out, err } = await ssh(...name, 'echo', 'here', '$SSH_CONNECTION');
        assert.deepEqual([status, err], [0, ''], name.join(' '));
        assert.match(out, new RegExp(`^here \\S+ \\d+ ${first().address} ${sshd.port}\n$`));
      }
    });

    test('hands on flags, and the exit status of the command', async () => {
      const { id } = first();
      assert.equal((await ssh(id, 'exit', '42')).status, 42);
      assert.equal((await ssh(id, 'ls', '-ld', '/')).out.slice(0, 10), 'drwxr-xr-x');
      assert.equal((await ssh(id, '--', 'printf', '--', '-v')).out, '-v');
      assert.equal((await ssh('--unit=hello', 'printf', '%s', '--help')).out, '--help');
      assert.deepEqual(await ssh(id, 'echo sorry >&2; kill -9 $$'), { status: 255, out: '', err: 'sorry\n' });
    });

    test('takes what is piped into it', async () => {
      const line = `--endpoint ${first().endpoint} ssh --ssh-port ${sshd.port} hello`;
      assert.equal((await sshd.shell(`printf 'a\\nb\\n' | fleetctl ${line} wc -l`)).out.trim(), '2');
    });

    test('gives a shell at a terminal', { skip: terminalProblem() ?? false }, async () => {
      const line = `--endpoint ${first().endpoint} ssh --ssh-port ${sshd.port} hello`;
      const shell = await sshd.atTerminal('test -t 0 && exit 7', ...line.split(' '));
      assert.equal(shell.status, 7, shell.out);
    });

    test('goes by way of the tunnel', async () => {
      await again();
      const { status, out, err } = await sshd.fleetctl(
        ...[...tcp(), 'ssh', '--ssh-port', String(sshd.port), 'hello', 'echo $SSH_CONNECTION; exit 3'],
      );
      assert.deepEqual([status, err], [3, '']);
      assert.match(out, new RegExp(` ${first().address} ${sshd.port}\n$`));
      assert.equal(sshd.shared().length, 2);
    });

    test('lends the agent only when asked to', async () => {
      const keys = await ssh('-A', 'hello', 'ssh-add -l');
      assert.deepEqual([keys.status, keys.err], [0, '']);
      assert.match(keys.out, /ED25519/);
      assert.equal((await ssh('hello', 'echo "agent:$SSH_AUTH_SOCK"')).out, 'agent:\n');
    });

    test('one sentence for each mistake', async () => {
      const second = lab.machines[1]!;
      const wrong: readonly [args: readonly string[], status: number, err: RegExp][] = [
        [[], 2, /^Name a machine, by the beginning of its id or by a unit on it\.\n/],
        [['nothing'], 1, /^nothing is neither a machine nor a unit/],
        [['--machine', 'nothing'], 1, /^no machine is nothing, by name, address or the beginning of its id/],
        [['--unit', 'nothing'], 1, /^Unit nothing\.service does not exist/],
        [
          ['everywhere'],
          1,
          /^Unit everywhere\.service is global, .* choose with --machine of \S+\/127\.0\.1\.\d, \S+\/127\.0\.1\.\d\n/,
        ],
        [['every*', 'true'], 1, /^Unit everywhere\.service is global/],
        [
          ['*'],
          1,
          /^ssh goes to one machine, and \* matches 2 units, everywhere\.service, hello\.service: name one unit\n/,
        ],
        [['web@'], 1, /^web@\.service is a template, which runs nowhere: .* web@1\.service/],
        [['--machine', first().id, '--unit', 'hello'], 2, /give only one of them/],
        [[second.id, 'true'], 1, /^cannot reach 127\.0\.1\.2:\d+ by ssh: connection refused/],
      ];
      for (const [args, status, message] of wrong) {
        const ran = await ssh(...args);
        assert.deepEqual([ran.status, ran.out], [status, ''], args.join(' '));
        assert.match(ran.err, message);
        assert.equal(ran.err.trimEnd().split('\n').length, 1, ran.err);
      }
    });
  });
});
