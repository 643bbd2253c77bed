import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import {
  type Harness,
  isAlive,
  load,
  logOf,
  mainPid,
  openHarness,
  readProc,
  service,
  startAndWait,
  unitOf,
  waitFor,
  waitForLog,
} from '../../../test/contract/runtime-harness.ts';
import { until } from '../../lib/test-until.ts';

const isRoot = process.getuid!() === 0;

/** One supervisor for all: the tests run side by side, each with units of its own. */
describe('services as under systemd', { concurrency: 8 }, () => {
  let harness: Harness;
  let scratch: string;
  const runtime = () => harness.runtime;
  let unique = 0;
  /** Loads one service under a name nobody else has. */
  const one = async (lines: string, unit = '') => {
    const name = `u${++unique}.service`;
    await load(runtime(), { [name]: service(lines, unit) });
    return name;
  };
  const output = async (lines: string) => {
    const name = await one(`Type=oneshot\n${lines}`);
    await startAndWait(runtime(), name, 'inactive/dead');
    await waitForLog(runtime(), name, 'Finished Test.');
    const ours = /^(Starting|Finished) Test\.|Deactivated successfully/;
    return (await logOf(runtime(), name)).filter((line) => !ours.test(line));
  };

  before(async () => {
    harness = await openHarness();
    scratch = mkdtempSync(path.join(tmpdir(), 'service-'));
  });
  after(async () => {
    await harness[Symbol.asyncDispose]();
    rmSync(scratch, { recursive: true, force: true });
  });

  test('a start says what systemd says', async () => {
    const name = await one('Type=oneshot\nExecStart=/bin/echo hi');
    await startAndWait(runtime(), name, 'inactive/dead');
    await waitForLog(runtime(), name, 'Finished Test.');
    const expected = ['Starting Test...', 'hi', `${name}: Deactivated successfully.`, 'Finished Test.'];
    assert.deepEqual(await logOf(runtime(), name), expected);
  });

  test('Type=exec is up once the program runs, and fails to start without it', async () => {
    await startAndWait(runtime(), await one('Type=exec\nExecStart=/bin/sleep infinity'));
    const bad = await one('Type=exec\nExecStart=/no/such');
    await startAndWait(runtime(), bad, 'failed/failed');
    await waitForLog(runtime(), bad, 'Failed to start Test.');
  });

  test('Type=forking finds the main process by its PID file, and by guessing', async () => {
    const file = path.join(scratch, 'daemon.pid');
    const script = `/bin/sh -c "setsid sh -c 'echo $$$$ >${file}; exec sleep infinity' & sleep 0.1"`;
    for (const pidFile of [`PIDFile=${file}\n`, '']) {
      const name = await one(`Type=forking\n${pidFile}ExecStart=${script}`);
      await startAndWait(runtime(), name);
      const pid = await mainPid(runtime(), name);
      assert.equal(pid, Number(readFileSync(file, 'utf8')));
      await runtime().stop(name);
      await waitFor(runtime(), name, 'inactive/dead');
      assert.ok(!isAlive(pid));
      assert.equal(existsSync(file), pidFile === '');
    }
  });

  test('a forking service whose process ends is noticed', async () => {
    const name = await one('Type=forking\nExecStart=/bin/sh -c "sleep infinity & sleep 0.1"');
    await startAndWait(runtime(), name);
    process.kill(await mainPid(runtime(), name));
    await waitFor(runtime(), name, 'failed/failed');
  });

  test('Type=notify is up when it says so, and shows its status', {
    skip: existsSync('/usr/bin/systemd-notify') ? false : 'systemd-notify is not installed (apt install systemd)',
  }, async () => {
    const notify = '/bin/sh -c "sleep 0.2; systemd-notify --status=Listening --ready; exec sleep infinity"';
    const name = await one(`Type=notify\nNotifyAccess=all\nExecStart=${notify}`);
    await runtime().start([name]);
    await waitFor(runtime(), name, 'activating/start');
    await waitFor(runtime(), name, 'active/running');
    assert.match((await runtime().status(name)).text, /Status: "Listening"/);
  });

  test('Type=notify works for another user, and for a unit that has become one', {
    skip: isRoot && existsSync('/usr/bin/systemd-notify') ? false : 'only root can be several users, by systemd-notify',
  }, async () => {
    const notify = 'systemd-notify --ready; exec sleep infinity';
    const became = `setpriv --reuid=65534 --clear-groups /bin/sh -c "${notify}"`;
    const units = [
      await one(`Type=notify\nUser=nobody\nNotifyAccess=all\nExecStart=/bin/sh -c "${notify}"`),
      await one(`Type=notify\nNotifyAccess=all\nExecStart=${became}`),
    ];
    for (const name of units) await startAndWait(runtime(), name);
  });

  test('a notify service that ends without a word has broken the protocol', async () => {
    const name = await one('Type=notify\nExecStart=/bin/true');
    await startAndWait(runtime(), name, 'failed/failed');
    assert.match((await runtime().status(name)).text, /Result: protocol/);
  });

  test('commands run in their order, and a failing one ends the start unless it has a "-"', async () => {
    const name = await one(
      'ExecStartPre=-/bin/false\nExecStartPre=/bin/echo pre\nExecStart=/bin/sleep infinity\n' +
        'ExecStartPost=/bin/echo post $MAINPID\nExecStop=/bin/echo stop $MAINPID\nExecStopPost=/bin/echo stop-post $SERVICE_RESULT',
    );
    await startAndWait(runtime(), name);
    const pid = await mainPid(runtime(), name);
    await runtime().stop(name);
    await waitFor(runtime(), name, 'inactive/dead');
    const said = (await logOf(runtime(), name)).filter((line) => /^(pre|post|stop)/.test(line));
    assert.deepEqual(said, ['pre', `post ${pid}`, `stop ${pid}`, 'stop-post success']);
    const failing = await one(
      'ExecStartPre=/bin/sh -c "exit 7"\nExecStart=/bin/echo never\nExecStopPost=/bin/echo after',
    );
    await startAndWait(runtime(), failing, 'failed/failed');
    const log = await logOf(runtime(), failing);
    assert.ok(log.includes(`${failing}: Control process exited, code=exited, status=7/NOTRUNNING`));
    assert.ok(log.includes('after') && !log.includes('never'));
  });

  test('Restart=on-failure restarts what fails until it is too often', async () => {
    const name = await one('Restart=on-failure\nRestartSec=10ms\nExecStart=/bin/false', 'StartLimitBurst=3');
    await startAndWait(runtime(), name, 'failed/failed');
    await waitForLog(runtime(), name, `${name}: Start request repeated too quickly.`);
    await waitFor(runtime(), name, 'failed/failed');
    const log = await logOf(runtime(), name);
    assert.equal(log.filter((line) => line === 'Started Test.').length, 3);
    assert.ok(log.includes(`${name}: Scheduled restart job, restart counter is at 2.`));
  });

  test('Restart= decides by how the service ended', async () => {
    const cases: readonly (readonly [restart: string, command: string, restarts: boolean])[] = [
      ['no', 'exit 1', false],
      ['always', 'exit 0', true],
      ['on-success', 'exit 0', true],
      ['on-success', 'exit 1', false],
      ['on-failure', 'exit 0', false],
      ['on-failure', 'kill -9 $$$$', true],
      ['on-failure', 'kill -TERM $$$$', false],
      ['on-abnormal', 'exit 1', false],
      ['on-abnormal', 'kill -9 $$$$', true],
      ['on-abort', 'kill -SEGV $$$$', true],
      ['on-failure\nSuccessExitStatus=4', 'exit 4', false],
      ['always\nRestartPreventExitStatus=4', 'kill -TERM $$$$', true],
      ['always\nRestartPreventExitStatus=TERM', 'kill -TERM $$$$', false],
      ['no\nRestartForceExitStatus=4', 'exit 4', true],
    ];
    await Promise.all(
      cases.map(async ([restart, command, restarts]) => {
        const name = await one(`Restart=${restart}\nRestartSec=1h\nExecStart=/bin/sh -c "${command}"`);
        const end = restarts
          ? 'activating/auto-restart'
          : /^(no|on-success|on-abn)/.test(restart)
            ? 'failed/failed'
            : 'inactive/dead';
        await startAndWait(runtime(), name, end);
      }),
    );
  });

  test('a stop during the wait for a restart ends it', async () => {
    const name = await one('Restart=always\nRestartSec=1h\nExecStart=/bin/true');
    await startAndWait(runtime(), name, 'activating/auto-restart');
    await runtime().stop(name);
    await waitFor(runtime(), name, 'inactive/dead');
  });

  test('a start that takes too long is ended; 0 and infinity are no limit', async () => {
    const name = await one('TimeoutStartSec=200ms\nExecStartPre=/bin/sleep 1000\nExecStart=/bin/true');
    await startAndWait(runtime(), name, 'failed/failed');
    const log = await logOf(runtime(), name);
    assert.ok(log.includes(`${name}: start-pre operation timed out. Terminating.`));
    for (const none of ['0', 'infinity']) {
      await startAndWait(
        runtime(),
        await one(`TimeoutStartSec=${none}\nExecStartPre=/bin/sleep 0.3\nExecStart=/bin/sleep 99`),
      );
    }
  });

  test('what ignores SIGTERM is killed when its time is over', async () => {
    const name = await one(
      `TimeoutStopSec=300ms\nExecStart=/bin/sh -c "trap '' TERM; echo ready; while :; do sleep 1; done"`,
    );
    await startAndWait(runtime(), name);
    await waitForLog(runtime(), name, 'ready');
    await runtime().stop(name);
    await waitFor(runtime(), name, 'failed/failed');
    const log = await logOf(runtime(), name);
    assert.ok(log.includes(`${name}: State 'stop-sigterm' timed out. Killing.`));
    assert.match((await runtime().status(name)).text, /Result: timeout[\s\S]*status=9\/KILL/);
  });

  test('KillSignal and KillMode choose who is told what', async () => {
    const script = `trap 'echo got INT; exit 0' INT; sleep 1000 & echo child $$!; while :; do sleep 0.02; done`;
    const childOf = async (name: string) => {
      await waitForLog(runtime(), name, /^child/);
      return Number(/^child (\d+)$/m.exec((await logOf(runtime(), name)).join('\n'))![1]);
    };
    for (const [mode, survives] of [
      ['control-group', false],
      ['mixed', false],
      ['process', true],
    ] as const) {
      const name = await one(`KillMode=${mode}\nKillSignal=SIGINT\nTimeoutStopSec=1\nExecStart=/bin/sh -c "${script}"`);
      await startAndWait(runtime(), name);
      const child = await childOf(name);
      await runtime().stop(name);
      // A background job of a shell ignores SIGINT, so the group as a whole needs the last means.
      await waitFor(runtime(), name, mode === 'control-group' ? 'failed/failed' : 'inactive/dead');
      await waitForLog(runtime(), name, 'got INT');
      assert.equal(isAlive(child), survives, mode);
      if (survives) process.kill(child, 'SIGKILL');
    }
  });

  test('a command that KillMode=none let live does not stir the unit when it fails', async () => {
    const go = path.join(scratch, 'go');
    const name = await one(
      `KillMode=none\nExecStartPre=/bin/sh -c "until [ -e ${go} ]; do sleep 0.02; done; exit 1"\nExecStart=/bin/true`,
    );
    await runtime().start([name]);
    await waitFor(runtime(), name, 'activating/start-pre');
    await runtime().stop(name);
    await waitFor(runtime(), name, 'inactive/dead');
    writeFileSync(go, '');
    await waitForLog(runtime(), name, `${name}: Control process exited, code=exited, status=1/FAILURE`);
    const { state } = (await unitOf(runtime(), name))!;
    assert.deepEqual([state.active, state.sub], ['inactive', 'dead']);
  });

  test('the environment is what systemd gives, and what the unit adds', async () => {
    const file = path.join(scratch, 'environment');
    writeFileSync(file, '# comment\nFROM_FILE="two words"\nFIRST=file\n');
    const lines = await output(
      `Environment="FIRST=unit" SECOND=2\nEnvironmentFile=${file}\nEnvironmentFile=-/no/such/file\nExecStart=/usr/bin/env`,
    );
    const environment = new Map(lines.map((line) => line.split('=') as [string, string]));
    assert.equal(environment.get('FIRST'), 'file');
    assert.equal(environment.get('SECOND'), '2');
    assert.equal(environment.get('FROM_FILE'), 'two words');
    assert.match(environment.get('INVOCATION_ID')!, /^[0-9a-f]{32}$/);
    assert.equal(environment.get('PATH'), '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin');
    const names = ['FIRST', 'FROM_FILE', 'INVOCATION_ID', 'PATH', 'SECOND', 'SYSTEMD_EXEC_PID'];
    assert.deepEqual([...environment.keys()].sort(), names);
  });

  test('an environment file that must be there fails the start', async () => {
    const name = await one('EnvironmentFile=/no/such/file\nExecStart=/bin/true');
    await startAndWait(runtime(), name, 'failed/failed');
    assert.match((await runtime().status(name)).text, /Result: resources/);
    const reason = 'Failed to load environment file /no/such/file: No such file or directory';
    assert.ok((await logOf(runtime(), name)).includes(`${name}: Failed to run 'start' task: ${reason}`));
  });

  test('a last line without a newline stands before the end of its process', async () => {
    const name = await one('Type=oneshot\nExecStart=/usr/bin/printf "no newline"');
    await startAndWait(runtime(), name, 'inactive/dead');
    await waitForLog(runtime(), name, 'Finished Test.');
    assert.deepEqual((await logOf(runtime(), name)).slice(0, 2), ['Starting Test...', 'no newline']);
  });

  test('arguments are quoted and expanded as systemd does', async () => {
    const lines = await output(
      `Environment="WORDS=a b" ONE=1\nExecStart=/usr/bin/printf "<%%s>\\n" $WORDS \${WORDS} x\${ONE}y 'single $ONE' $UNSET $$ONE "\\x41\\t;" \\;\nExecStart=:/bin/echo $ONE`,
    );
    assert.deepEqual(lines, [
      '<a>',
      '<b>',
      '<a b>',
      '<x1y>',
      '<single $ONE>',
      '<$ONE>',
      '<A        ;>'.replace('        ', '\t'),
      '<;>',
      '$ONE',
    ]);
  });

  test('specifiers stand for the unit and its machine', async () => {
    const name = `web-api@blue\\x2d1.service`;
    await load(runtime(), { [name]: service('Type=oneshot\nExecStart=/bin/echo %n|%N|%p|%P|%i|%I|%H|%m|%t|%u|%h|%%') });
    await startAndWait(runtime(), name, 'inactive/dead');
    const expected =
      'web-api@blue\\x2d1.service|web-api@blue\\x2d1|web-api|web/api|blue\\x2d1|blue-1|core-01|85c0c595e1f64d1d9a1b2c3d4e5f6071|/run|';
    await waitForLog(runtime(), name, new RegExp(`^${expected.replace(/[\\|.]/g, '\\$&')}\\w+\\|/.*\\|%$`));
  });

  test('limits, mask, niceness, directory and name of a process', async () => {
    const lines = await output(
      `UMask=0077\nNice=5\nLimitNOFILE=333:444\nWorkingDirectory=${scratch}\nIgnoreSIGPIPE=no\n` +
        `ExecStart=/bin/sh -c "umask; nice; ulimit -Sn; ulimit -Hn; pwd"\nExecStart=@/bin/sh other-name -c "tr '\\\\0' ' ' </proc/$$$$/cmdline; echo"`,
    );
    assert.deepEqual(lines.slice(0, 5), ['0077', '5', '333', '444', scratch]);
    assert.match(lines[5]!, /^other-name -c/);
  });

  test('a limit of infinity is as much as there is', async () => {
    const lines = await output('LimitNOFILE=infinity\nLimitCORE=infinity\nExecStart=/bin/sh -c "ulimit -n; ulimit -c"');
    // Where even root may not raise it, the hard limit is all there is.
    const hard = /Max open files\s+\S+\s+(\S+)/.exec(readProc(process.pid, 'limits'))![1]!;
    assert.ok([readFileSync('/proc/sys/fs/nr_open', 'utf8').trim(), hard].includes(lines[0]!), lines[0]);
    assert.equal(lines[1], 'unlimited');
  });

  test('what cannot be prepared fails at its step', async () => {
    const cases = {
      'WorkingDirectory=/no/such': '200/CHDIR',
      'User=no-such-user': '217/USER',
      'StandardOutput=file:/no/such/file': '209/STDOUT',
    };
    for (const [line, status] of Object.entries(cases)) {
      const name = await one(`${line}\nExecStart=/bin/true`);
      await startAndWait(runtime(), name, 'failed/failed');
      assert.ok((await runtime().status(name)).text.includes(`status=${status}`), status);
    }
    const optional = await one('Type=oneshot\nWorkingDirectory=-/no/such\nExecStart=/bin/pwd');
    await startAndWait(runtime(), optional, 'inactive/dead');
    await waitForLog(runtime(), optional, '/');
  });

  test('User= drops to that user with its groups, "+" does not', { skip: !isRoot && 'needs root' }, async () => {
    const lines = await output(
      'User=nobody\nExecStart=/bin/sh -c "id -un; id -gn; id -Gn; echo $$HOME $$USER $$SHELL"\nExecStart=+/usr/bin/id -un',
    );
    assert.deepEqual(lines, ['nobody', 'nogroup', 'nogroup', 'nobody', 'root']);
  });

  test('output goes where StandardOutput= and StandardError= say', async () => {
    const file = path.join(scratch, 'output');
    writeFileSync(file, 'before\n');
    const name = await one(
      `Type=oneshot\nStandardOutput=append:${file}\nStandardError=journal\nExecStart=/bin/sh -c "echo out; echo err >&2"`,
    );
    await startAndWait(runtime(), name, 'inactive/dead');
    await waitForLog(runtime(), name, 'err');
    assert.equal(readFileSync(file, 'utf8'), 'before\nout\n');
    const silent = await one('Type=oneshot\nStandardOutput=null\nExecStart=/bin/sh -c "echo out; echo err >&2"');
    await startAndWait(runtime(), silent, 'inactive/dead');
    await waitForLog(runtime(), silent, 'Finished Test.');
    assert.ok(!(await logOf(runtime(), silent)).some((line) => line === 'out' || line === 'err'));
  });

  test('a process is in a session of its own, with SIGPIPE ignored and nothing on stdin', async () => {
    const name = await one('ExecStart=/bin/sleep infinity');
    await startAndWait(runtime(), name);
    const pid = await mainPid(runtime(), name);
    await until('the program runs', () => readProc(pid, 'comm').trim() === 'sleep');
    assert.equal(readProc(pid, 'stat').split(' ')[5], String(pid));
    const ignored = BigInt(`0x${/SigIgn:\s+(\w+)/.exec(readProc(pid, 'status'))![1]}`);
    assert.equal(ignored & (1n << 12n), 1n << 12n);
  });
});
