import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { until } from '../../../src/lib/test-until.ts';
import {
  hashOf,
  isAlive,
  load,
  mainPid,
  service,
  startAndWait,
  stateText,
  unitOf,
  waitFor,
  waitForStates,
} from '../../contract/runtime-harness.ts';
import { openSystemdHarness } from './systemd-harness.ts';

const run = promisify(execFile);
const systemctl = async (...args: readonly string[]) => (await run('systemctl', args)).stdout;
const SLEEP = service('ExecStart=/bin/sleep infinity');

test('systemctl shows the file and that it is linked until the next boot', async () => {
  await using harness = await openSystemdHarness();
  await load(harness.runtime, { 'a.service': SLEEP });
  await startAndWait(harness.runtime, 'a.service');
  const { text, exitCode } = await harness.runtime.status('a.service');
  assert.equal(exitCode, 0);
  // Newer versions of systemd name the link, older ones the file.
  assert.match(text, /Loaded: loaded \(\S+\/a\.service; linked-runtime[;)]/);
  assert.equal(readlinkSync('/run/systemd/system/a.service'), `${harness.unitsDirectory}/a.service`);
  assert.equal(readFileSync(`${harness.unitsDirectory}/a.service`, 'utf8'), SLEEP);
});

test('nothing is left over of units that are unloaded, failed ones and enabled ones', async () => {
  await using harness = await openSystemdHarness();
  const { runtime, unitsDirectory } = harness;
  const before = await systemctl('list-units', '--all', '--no-legend', '--plain');
  await load(runtime, {
    'fails.service': service('ExecStart=/bin/false'),
    'enabled.service': `${SLEEP}[Install]\nWantedBy=multi-user.target\nAlias=other-name.service\n`,
    'sleeps.service': SLEEP,
  });
  assert.match((await systemctl('is-enabled', 'enabled.service')).trim(), /^enabled-runtime$/);
  assert.ok(existsSync('/run/systemd/system/multi-user.target.wants/enabled.service'));
  await startAndWait(runtime, 'fails.service', 'failed/failed');
  await startAndWait(runtime, 'enabled.service');
  await startAndWait(runtime, 'sleeps.service');
  const unload = ['fails.service', 'enabled.service', 'sleeps.service'];
  assert.deepEqual([...(await runtime.apply({ unload, load: [] }))], []);
  assert.equal(await systemctl('list-units', '--all', '--no-legend', '--plain'), before);
  assert.deepEqual(readdirSync(unitsDirectory), ['.flotilla']);
  assert.deepEqual(readdirSync(`${unitsDirectory}/.flotilla`), []);
  assert.ok(!existsSync('/run/systemd/system/multi-user.target.wants/enabled.service'));
  assert.ok(!existsSync('/run/systemd/system/other-name.service'));
});

test('a unit that cannot be enabled is refused, and the others of its batch are not', async () => {
  await using harness = await openSystemdHarness();
  const bad = `${SLEEP}[Install]\nAlias=other-type.socket\n`;
  const good = `${SLEEP}[Install]\nWantedBy=multi-user.target\n`;
  const refused = await harness.runtime.apply({
    unload: [],
    load: [
      { name: 'bad.service', hash: '1', text: bad },
      { name: 'good.service', hash: '2', text: good },
      { name: 'gone.snapshot', hash: '3', text: SLEEP },
    ],
  });
  assert.deepEqual([...refused.keys()].sort(), ['bad.service', 'gone.snapshot']);
  assert.deepEqual(
    (await harness.runtime.units()).map(({ name }) => name),
    ['good.service'],
  );
  await startAndWait(harness.runtime, 'good.service');
  assert.deepEqual(readdirSync(harness.unitsDirectory).sort(), ['.flotilla', 'good.service']);
});

test('systemd reads all its units anew only where it has to', async () => {
  await using harness = await openSystemdHarness();
  const { runtime } = harness;
  const reloads = async () =>
    (await run('journalctl', ['--no-pager', '-o', 'cat', '_PID=1'])).stdout.match(/^Reloading\b/gm)?.length ?? 0;
  const before = await reloads();
  await load(runtime, {
    'new.service': `${SLEEP}[Unit]\nWants=later.service\n`,
    'b@1.service': SLEEP,
  });
  await startAndWait(runtime, 'new.service');
  await startAndWait(runtime, 'b@1.service');
  assert.equal(await reloads(), before);
  assert.doesNotMatch((await runtime.status('new.service')).text, /daemon-reload/);

  assert.match(await systemctl('list-units', '--all', '--plain', 'later.service'), /not-found/);
  await load(runtime, { 'later.service': SLEEP });
  await startAndWait(runtime, 'later.service');
  assert.equal(await reloads(), before + 1, 'another unit had named it');

  const changed = `${service('ExecStart=/bin/sleep 1000')}[Unit]\nWants=later.service\n`;
  await runtime.apply({ unload: [], load: [{ name: 'new.service', hash: hashOf(changed), text: changed }] });
  await startAndWait(runtime, 'new.service');
  assert.match((await runtime.status('new.service')).text, /sleep 1000/);

  const now = await reloads();
  await runtime.apply({ unload: ['b@1.service'], load: [] });
  assert.equal(await reloads(), now, 'systemd had forgotten it');
  await runtime.apply({ unload: ['later.service'], load: [] });
  assert.equal(await reloads(), now + 1, 'another unit names it');
});

test('timers, sockets, paths, mounts, targets and slices run as well', async () => {
  await using harness = await openSystemdHarness();
  const { runtime } = harness;
  await load(runtime, {
    'ticks.timer': '[Timer]\nOnActiveSec=100ms\nAccuracySec=1ms\n',
    'ticks.service': service('Type=oneshot\nRemainAfterExit=yes\nExecStart=/bin/true'),
    'calls.socket': '[Socket]\nListenStream=127.0.0.1:7\nAccept=yes\n',
    'calls@.service': service('ExecStart=/bin/cat\nStandardInput=socket'),
    'looks.path': '[Path]\nPathExists=/run/looked-for\nUnit=looked.service\n',
    'looked.service': service('Type=oneshot\nRemainAfterExit=yes\nExecStart=/bin/true'),
    'mnt.mount': '[Mount]\nWhat=tmpfs\nWhere=/mnt\nType=tmpfs\n',
    'all.target': '[Unit]\nWants=sleeps@1.service\n',
    'sleeps@1.service': service('ExecStart=/bin/sleep infinity\nSlice=part.slice'),
    'part.slice': '[Slice]\nMemoryMax=100M\n',
  });
  await startAndWait(runtime, 'calls.socket', 'active/listening');
  await startAndWait(runtime, 'mnt.mount', 'active/mounted');
  await startAndWait(runtime, 'all.target', 'active/active');
  await waitFor(runtime, 'sleeps@1.service', 'active/running');
  await waitFor(runtime, 'part.slice', 'active/active');
  await startAndWait(runtime, 'looks.path', 'active/waiting');
  writeFileSync('/run/looked-for', '');
  await waitFor(runtime, 'looked.service', 'active/exited');
  await runtime.start(['ticks.timer']);
  await waitFor(runtime, 'ticks.service', 'active/exited');
});

test('what systemd does not start is refused with its reason', async () => {
  await using harness = await openSystemdHarness();
  await load(harness.runtime, { 'a.scope': '[Scope]\n', 'b.service': service('Type=nonsense') });
  const refused = await harness.runtime.start(['a.scope', 'b.service']);
  assert.deepEqual([...refused.keys()].sort(), ['a.scope', 'b.service']);
});

test('daemon-reload, daemon-reexec and a new bus change nothing, and states go on coming', async () => {
  await using harness = await openSystemdHarness();
  const { runtime, logged } = harness;
  await load(runtime, { 'a.service': SLEEP, 'b.service': SLEEP });
  await startAndWait(runtime, 'a.service');
  const pid = await mainPid(runtime, 'a.service');
  for (const disturb of [['daemon-reload'], ['daemon-reexec'], ['restart', 'dbus.service']]) {
    await systemctl(...disturb);
    await startAndWait(runtime, 'b.service');
    assert.equal(stateText((await unitOf(runtime, 'a.service'))?.state), 'active/running', disturb.join(' '));
    await systemctl('stop', 'b.service');
    await waitFor(runtime, 'b.service', 'inactive/dead');
    await runtime.stop('b.service');
    assert.equal(await mainPid(runtime, 'a.service'), pid);
  }
  assert.ok(
    logged.some((line) => line.includes('The bus went away')),
    logged.join('\n'),
  );
});

test('what is asked while systemd executes itself anew is done', async () => {
  await using harness = await openSystemdHarness();
  const { runtime } = harness;
  const names = Array.from({ length: 20 }, (_, index) => `n${index}.service`);
  await load(runtime, Object.fromEntries(names.map((name) => [name, SLEEP])));
  const disturbing = systemctl('daemon-reexec');
  await runtime.start(names);
  await disturbing;
  await waitForStates(runtime, (states) => names.every((name) => stateText(states.get(name)) === 'active/running'));
});

test('a unit that starts by itself, fails or is stopped by others is seen', async () => {
  await using harness = await openSystemdHarness();
  const { runtime } = harness;
  await load(runtime, { 'a.service': service('ExecStart=/bin/sleep infinity\nRestart=always\nRestartSec=100ms') });
  await systemctl('start', '--no-block', 'a.service');
  await waitFor(runtime, 'a.service', 'active/running');
  const unit = await unitOf(runtime, 'a.service');
  assert.deepEqual([unit?.launched, unit?.starting], [false, false]);
  const pid = await mainPid(runtime, 'a.service');
  process.kill(pid, 'SIGKILL');
  await waitFor(runtime, 'a.service', 'activating/auto-restart');
  await waitFor(runtime, 'a.service', 'active/running');
  await systemctl('stop', 'a.service');
  await waitFor(runtime, 'a.service', 'inactive/dead');
});

test('a start that takes long is told as starting, and whoever opens the runtime meanwhile sees that', async () => {
  await using first = await openSystemdHarness();
  await load(first.runtime, {
    'slow.service': service(
      'Type=oneshot\nRemainAfterExit=yes\nExecStart=/bin/sh -c "until test -e /run/go-on; do sleep 0.05; done"',
    ),
    'after.service': service('ExecStart=/bin/sleep infinity', 'Requires=slow.service\nAfter=slow.service'),
  });
  await first.runtime.start(['after.service']);
  await until('both are starting', async () => (await first.runtime.units()).every(({ starting }) => starting));
  await using second = await first.reopen();
  const seen = (await second.runtime.units()).map(({ name, launched, starting }) => [name, launched, starting]);
  assert.deepEqual(seen.sort(), [
    ['after.service', true, true],
    ['slow.service', false, true],
  ]);
  writeFileSync('/run/go-on', '');
  await waitFor(second.runtime, 'after.service', 'active/running');
  assert.ok((await second.runtime.units()).every(({ starting }) => !starting));
});

test('a file that somebody changed has another hash, so that it is loaded again', async () => {
  await using first = await openSystemdHarness();
  await load(first.runtime, { 'a.service': SLEEP });
  writeFileSync(`${first.unitsDirectory}/a.service`, service('ExecStart=/bin/sleep 1'));
  await using second = await first.reopen();
  assert.notEqual((await unitOf(second.runtime, 'a.service'))?.hash, hashOf(SLEEP));
});

test('a batch that was cut short is finished by whoever comes next', async () => {
  await using first = await openSystemdHarness();
  await load(first.runtime, { 'a.service': `${SLEEP}[Install]\nWantedBy=multi-user.target\n` });
  await systemctl('disable', '--runtime', '--quiet', 'a.service');
  writeFileSync(`${first.unitsDirectory}/.flotilla/.unfinished`, 'daemon-reload\n');
  await using second = await first.reopen();
  assert.equal((await systemctl('is-enabled', 'a.service')).trim(), 'enabled-runtime');
  await startAndWait(second.runtime, 'a.service');
});

test('files that are not ours in the units directory are let be', async () => {
  await using first = await openSystemdHarness();
  writeFileSync(`${first.unitsDirectory}/foreign.service`, SLEEP);
  await using second = await first.reopen();
  assert.deepEqual(await second.runtime.units(), []);
  assert.ok(existsSync(`${second.unitsDirectory}/foreign.service`));
});

test('journalctl ends when whoever follows it leaves', async () => {
  await using harness = await openSystemdHarness();
  const { runtime } = harness;
  await load(runtime, { 'a.service': service('ExecStart=/bin/sh -c "echo said; exec sleep infinity"') });
  await startAndWait(runtime, 'a.service');
  const followers = async () =>
    (await run('pgrep', ['-x', 'journalctl']).catch(() => ({ stdout: '' }))).stdout.split('\n').filter(Boolean);
  const signal = new AbortController().signal;
  for await (const line of runtime.logs('a.service', { lines: 10, follow: true, output: 'cat', signal }))
    if (line === 'said') {
      assert.equal((await followers()).length, 1);
      break;
    }
  await until('journalctl is gone', async () => (await followers()).length === 0);
});

test('a hundred units are loaded, started and unloaded in moments', async () => {
  await using harness = await openSystemdHarness();
  const { runtime } = harness;
  const names = Array.from({ length: 100 }, (_, index) => `n${index}.service`);
  const times: string[] = [];
  const timed = async (what: string, play: () => Promise<unknown>) => {
    const startedAt = performance.now();
    await play();
    times.push(`${what} ${Math.round(performance.now() - startedAt)} ms`);
  };
  const reloads = async () =>
    (await run('journalctl', ['--output=cat', '_PID=1'])).stdout.match(/^Reloading\b.*$/gm)?.length ?? 0;
  const reloadsBefore = await reloads();
  await timed('load', () => load(runtime, Object.fromEntries(names.map((name) => [name, SLEEP]))));
  assert.ok((await reloads()) - reloadsBefore <= 1, 'at most one daemon-reload for a batch');
  await timed('start', async () => {
    await runtime.start(names);
    await waitForStates(runtime, (states) => names.every((name) => stateText(states.get(name)) === 'active/running'));
  });
  const pid = await mainPid(runtime, 'n0.service');
  await timed('unload', () => runtime.apply({ unload: names, load: [] }));
  assert.ok(!isAlive(pid));
  await timed('load one', () => load(runtime, { 'one.service': SLEEP }));
  await timed('start one', () => startAndWait(runtime, 'one.service'));
  console.log(`100 units: ${times.join(', ')}`);
});
