import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import {
  type Harness,
  load,
  logOf,
  mainPid,
  openHarness,
  service,
  startAndWait,
  stateText,
  waitFor,
  waitForLog,
  waitForStates,
} from '../../../test/contract/runtime-harness.ts';

/** One supervisor for all: each test has units with a prefix of its own. */
describe('dependencies among units', { concurrency: 8 }, () => {
  let harness: Harness;
  let unique = 0;
  before(async () => {
    harness = await openHarness();
  });
  after(() => harness[Symbol.asyncDispose]());

  const runtime = () => harness.runtime;
  /** Loads units named in short: `a` in a name or a [Unit] line is this test's own a.service. */
  const loadUnits = async (units: Readonly<Record<string, readonly [unit: string, service: string]>>) => {
    const prefix = `t${++unique}`;
    const full = (name: string) => `${prefix}-${name}.service`;
    const unit = (lines: string) => lines.replace(/\b[a-z]\b/g, full);
    const texts = Object.entries(units).map(([name, [lines, body]]) => [full(name), service(body, unit(lines))]);
    await load(runtime(), Object.fromEntries(texts));
    return full;
  };
  const RUNS = 'ExecStart=/bin/sleep infinity';
  const STAYS = 'Type=oneshot\nRemainAfterExit=yes\nExecStart=';

  test('a required unit that fails keeps the one after it from starting, and its OnFailure is started', async () => {
    const full = await loadUnits({
      a: ['Requires=b\nAfter=b\nOnFailure=c', RUNS],
      b: ['', `${STAYS}/bin/false`],
      c: ['', `${STAYS}/bin/true`],
    });
    await runtime().start([full('a')]);
    await waitFor(runtime(), full('c'), 'active/exited');
    await waitFor(runtime(), full('a'), 'inactive/dead');
    const log = await logOf(runtime(), full('a'));
    assert.ok(log.includes('Dependency failed for Test.'));
    assert.ok(log.includes(`${full('a')}: Job ${full('a')}/start failed with result 'dependency'.`));
  });

  test('a wanted unit that fails does not matter; one that is not here is noted', async () => {
    const full = await loadUnits({
      a: ['Wants=b\nAfter=b\nRequires=docker.service\nAfter=docker.service', RUNS],
      b: ['', `${STAYS}/bin/false`],
    });
    await startAndWait(runtime(), full('a'));
    await waitForLog(runtime(), full('a'), /: docker\.service is not among the units .* ignoring the dependency\.$/);
  });

  test('OnFailure= waits until a service is not restarted any more', async () => {
    const full = await loadUnits({
      a: ['OnFailure=b\nStartLimitBurst=2', 'Restart=on-failure\nRestartSec=200ms\nExecStart=/bin/false'],
      b: ['', `${STAYS}/bin/true`],
    });
    await startAndWait(runtime(), full('a'), 'activating/auto-restart');
    const states = await waitForStates(runtime(), (all) => stateText(all.get(full('b'))) === 'active/exited');
    assert.equal(stateText(states.get(full('a'))), 'failed/failed');
  });

  test('a unit bound to another goes down with it, one that is part of it stops with it', async () => {
    const full = await loadUnits({
      a: ['', 'ExecStart=/bin/sleep 0.3'],
      b: ['BindsTo=a\nAfter=a', RUNS],
      c: ['', RUNS],
      d: ['PartOf=c', RUNS],
    });
    await startAndWait(runtime(), full('b'));
    await waitFor(runtime(), full('b'), 'inactive/dead');
    await waitForLog(runtime(), full('b'), /Unit is bound to inactive unit/);
    await startAndWait(runtime(), full('c'));
    await startAndWait(runtime(), full('d'));
    await runtime().stop(full('c'));
    await waitFor(runtime(), full('d'), 'inactive/dead');
  });

  test('units stop in the reverse order of their start', async () => {
    const stop = (name: string) =>
      `ExecStart=/bin/sleep infinity\nExecStop=/bin/sh -c "sleep 0.2; date +${name}%%s%%N"`;
    const full = await loadUnits({
      a: ['', stop('a')],
      b: ['Requires=a\nAfter=a', stop('b')],
      c: ['PartOf=a\nBefore=a', stop('c')],
    });
    await startAndWait(runtime(), full('b'));
    await startAndWait(runtime(), full('c'));
    await runtime().stop(full('a'));
    await waitForStates(runtime(), (all) =>
      ['a', 'b', 'c'].every((name) => stateText(all.get(full(name))) === 'inactive/dead'),
    );
    const times = await Promise.all(
      ['a', 'b', 'c'].map(async (name) => {
        const line = (await logOf(runtime(), full(name))).find((text) => /^[abc]\d+$/.test(text));
        return BigInt(line!.slice(1));
      }),
    );
    assert.ok(times[1]! < times[0]! && times[0]! < times[2]!, times.join(' '));
  });

  test('a start within a batch waits for what it is ordered after, without requiring it', async () => {
    const full = await loadUnits({ a: ['After=b', RUNS], b: ['', `${STAYS}/bin/sleep 0.3`] });
    await runtime().start([full('b'), full('a')]);
    const states = await waitForStates(runtime(), (all) => stateText(all.get(full('a'))) === 'active/running');
    assert.equal(stateText(states.get(full('b'))), 'active/exited');
  });

  test('units that wait for each other in a circle start all the same', async () => {
    const full = await loadUnits({ a: ['After=b\nWants=b', RUNS], b: ['After=a', RUNS] });
    await startAndWait(runtime(), full('a'));
    await waitFor(runtime(), full('b'), 'active/running');
  });

  test('a target is reached when what it wants is up, and stops its parts', async () => {
    const full = await loadUnits({ a: ['', `${STAYS}/bin/sleep 0.2`], b: ['', RUNS] });
    const target = full('all').replace('.service', '.target');
    await load(runtime(), { [target]: `[Unit]\nDescription=All\nWants=${full('a')} ${full('b')}\n` });
    await runtime().start([target]);
    const states = await waitForStates(runtime(), (all) => stateText(all.get(target)) === 'active/active');
    assert.deepEqual(
      ['a', 'b'].map((name) => stateText(states.get(full(name)))),
      ['active/exited', 'active/running'],
    );
    await waitForLog(runtime(), target, 'Reached target All.');
    await runtime().stop(target);
    await waitFor(runtime(), target, 'inactive/dead');
  });

  test('a restart takes along who is part of it', async () => {
    const full = await loadUnits({
      a: ['', 'Restart=always\nRestartSec=50ms\nExecStart=/bin/sleep 0.5'],
      b: ['PartOf=a\nAfter=a', RUNS],
    });
    await startAndWait(runtime(), full('a'));
    await startAndWait(runtime(), full('b'));
    await waitForLog(runtime(), full('b'), 'Stopped Test.');
    await waitFor(runtime(), full('b'), 'active/running');
  });

  test('a job that waits too long is given up', async () => {
    const full = await loadUnits({ a: ['After=b\nJobTimeoutSec=200ms', RUNS], b: ['', `${STAYS}/bin/sleep 1000`] });
    await runtime().start([full('b')]);
    await runtime().start([full('a')]);
    await waitForLog(runtime(), full('a'), 'Timed out starting Test.');
    await runtime().stop(full('b'));
  });

  test('a stop takes back a start that has not happened', async () => {
    const full = await loadUnits({ a: ['After=b', RUNS], b: ['', `${STAYS}/bin/sleep 0.5`] });
    await runtime().start([full('b')]);
    await runtime().start([full('a')]);
    await runtime().stop(full('a'));
    await waitFor(runtime(), full('b'), 'active/exited');
    await waitFor(runtime(), full('a'), 'inactive/dead');
  });

  test('a reload whose turn comes when the unit has ended is dropped', async () => {
    const go = path.join(harness.directory, 'go');
    const full = await loadUnits({
      a: ['', `${STAYS}/bin/sh -c "until [ -e ${go} ]; do sleep 0.02; done"`],
      b: ['After=a', `${RUNS}\nExecReload=/bin/echo reloads`],
    });
    await startAndWait(runtime(), full('b'));
    await runtime().start([full('a')]);
    await waitFor(runtime(), full('a'), 'activating/start');
    await runtime().reload(full('b'));
    process.kill(await mainPid(runtime(), full('b')));
    await waitFor(runtime(), full('b'), 'inactive/dead');
    writeFileSync(go, '');
    await waitFor(runtime(), full('a'), 'active/exited');
    await startAndWait(runtime(), full('b'));
    assert.ok(!(await logOf(runtime(), full('b'))).includes('reloads'));
  });

  test('a start while stopping follows the stop', async () => {
    const full = await loadUnits({ a: ['', `${RUNS}\nExecStop=/bin/sleep 0.3`] });
    await startAndWait(runtime(), full('a'));
    await runtime().stop(full('a'));
    await waitFor(runtime(), full('a'), 'deactivating/stop');
    await startAndWait(runtime(), full('a'));
  });
});
