import assert from 'node:assert/strict';
import { mkdirSync, mkdtempDisposableSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, test } from 'node:test';
import { isFlotillaError } from '../../src/lib/index.ts';
import { until } from '../../src/lib/test-until.ts';
import type { RuntimeState, UnitRuntime } from '../../src/runtime/index.ts';
import {
  hashOf,
  isAlive,
  load,
  logOf,
  mainPid,
  service,
  startAndWait,
  stateText,
  unitOf,
  waitFor,
  waitForLog,
  waitForStates,
} from './runtime-harness.ts';

/** A runtime for one test, which holds no units yet; whatever it runs ends with it. */
export interface ContractHarness extends AsyncDisposable {
  readonly runtime: UnitRuntime;
  /** Closes the runtime and opens another one on the same units. */
  reopen(): Promise<ContractHarness>;
}

/** What every UnitRuntime promises, whatever runs the units. */
export function runtimeContract(name: string, open: () => Promise<ContractHarness>): void {
  describe(`UnitRuntime: ${name}`, () => {
    test('a loaded unit is known and inactive until it is started', async () => {
      await using harness = await open();
      const { runtime } = harness;
      const text = service('ExecStart=/bin/sleep infinity');
      await load(runtime, { 'a.service': text });
      const state = { load: 'loaded', active: 'inactive', sub: 'dead' };
      const expected = { name: 'a.service', hash: hashOf(text), launched: false, starting: false, state };
      assert.deepEqual(await runtime.units(), [expected]);
    });

    test('start makes it active and launched, stop inactive and not launched', async () => {
      await using harness = await open();
      const { runtime } = harness;
      await load(runtime, { 'a.service': service('ExecStart=/bin/sleep infinity') });
      await startAndWait(runtime, 'a.service');
      const started = await unitOf(runtime, 'a.service');
      assert.deepEqual([started?.launched, started?.starting], [true, false]);
      const pid = await mainPid(runtime, 'a.service');
      assert.ok(isAlive(pid));
      await runtime.stop('a.service');
      await waitFor(runtime, 'a.service', 'inactive/dead');
      assert.equal((await unitOf(runtime, 'a.service'))?.launched, false);
      assert.ok(!isAlive(pid));
    });

    test('a oneshot ends by itself, and stays up with RemainAfterExit', async () => {
      await using harness = await open();
      const { runtime } = harness;
      await load(runtime, {
        'once.service': service('Type=oneshot\nExecStart=/bin/echo one\nExecStart=/bin/echo two'),
        'stay.service': service('Type=oneshot\nRemainAfterExit=yes\nExecStart=/bin/true'),
      });
      await startAndWait(runtime, 'once.service', 'inactive/dead');
      await waitForLog(runtime, 'once.service', 'two');
      await startAndWait(runtime, 'stay.service', 'active/exited');
    });

    test('a run that ended with success by itself is told from one that failed, was stopped, or never began', async () => {
      await using harness = await open();
      const { runtime } = harness;
      const traps = `Type=oneshot\nExecStart=/bin/sh -c 'trap "exit 0" TERM; echo ready; while :; do sleep 0.1; done'`;
      await load(runtime, {
        'once.service': service('Type=oneshot\nExecStart=/bin/true'),
        'stay.service': service('Type=oneshot\nRemainAfterExit=yes\nExecStart=/bin/true'),
        'fails.service': service('Type=oneshot\nExecStart=/bin/false'),
        'needs.service': '[Unit]\nRequires=fails.service\nAfter=fails.service\n[Service]\nExecStart=/bin/true\n',
        'traps.service': service(traps),
        'foe.service': '[Unit]\nConflicts=traps.service\n[Service]\nExecStart=/bin/sleep infinity\n',
      });
      const succeeded = async (name: string) => (await unitOf(runtime, name))?.succeeded === true;
      assert.equal(await succeeded('once.service'), false, 'it has not run');
      await startAndWait(runtime, 'once.service', 'inactive/dead');
      await until('its job is over', async () => succeeded('once.service'));
      await startAndWait(runtime, 'stay.service', 'active/exited');
      await until('its job is over', async () => succeeded('stay.service'));
      await startAndWait(runtime, 'fails.service', 'failed/failed');
      await runtime.start(['needs.service']);
      await until('its job is over', async () => (await unitOf(runtime, 'needs.service'))?.starting === false);
      await runtime.start(['traps.service']);
      await waitForLog(runtime, 'traps.service', 'ready');
      await startAndWait(runtime, 'foe.service');
      await waitFor(runtime, 'traps.service', 'inactive/dead');
      await runtime.stop('stay.service');
      await waitFor(runtime, 'stay.service', 'inactive/dead');
      assert.equal(await succeeded('stay.service'), false, 'it was stopped');
      const others = ['fails.service', 'needs.service', 'traps.service'];
      for (const name of others) assert.equal(await succeeded(name), false, name);
      await using next = await harness.reopen();
      for (const name of others)
        assert.notEqual(
          (await unitOf(next.runtime, name))?.succeeded,
          true,
          `${name}, for whoever opens the runtime next`,
        );
    });

    test('whoever opens the runtime next sees a run that goes on end with success', async () => {
      await using harness = await open();
      using folder = mkdtempDisposableSync(path.join(tmpdir(), 'once-'));
      const lines = `Type=oneshot\nExecStart=/bin/sh -c 'until rmdir ${folder.path}/end; do sleep 0.1; done'`;
      await load(harness.runtime, { 'a.service': service(lines) });
      await startAndWait(harness.runtime, 'a.service', 'activating/start');
      await using next = await harness.reopen();
      mkdirSync(path.join(folder.path, 'end'));
      await until('it counts', async () => (await unitOf(next.runtime, 'a.service'))?.succeeded === true);
    });

    test('a run that ended with success after one that failed and was started again counts', async () => {
      await using harness = await open();
      const { runtime } = harness;
      using folder = mkdtempDisposableSync(path.join(tmpdir(), 'once-'));
      // systemd is done with the start of a simple service before anybody can ask what its job was.
      const command = `sleep 0.2; rmdir ${folder.path}/failed || { mkdir ${folder.path}/failed; exit 1; }`;
      const lines = `Restart=on-failure\nRestartSec=100ms\nExecStart=/bin/sh -c '${command}'`;
      await load(runtime, { 'again.service': service(lines) });
      await startAndWait(runtime, 'again.service');
      await waitFor(runtime, 'again.service', 'inactive/dead');
      await until('it counts', async () => (await unitOf(runtime, 'again.service'))?.succeeded === true);
    });

    test('a unit that fails says how', async () => {
      await using harness = await open();
      const { runtime } = harness;
      await load(runtime, { 'a.service': service('ExecStart=/bin/sh -c "exit 3"') });
      await startAndWait(runtime, 'a.service', 'failed/failed');
      const { text, exitCode } = await runtime.status('a.service');
      assert.equal(exitCode, 3);
      assert.match(text, /^× a\.service - Test$/m);
      assert.match(text, /^ +Loaded: loaded \(.*a\.service; linked-runtime/m);
      assert.match(text, /^ +Active: failed \(Result: exit-code\) since .*; \S+ ago$/m);
      assert.match(text, /code=exited, status=3\/NOTIMPLEMENTED/);
      assert.match(text, /a\.service: Failed with result 'exit-code'\.$/m);
      assert.deepEqual((await unitOf(runtime, 'a.service'))?.state.exit, { result: 'exit-code', status: 3 });
    });

    test('a unit that is killed tells the signal, and nothing of it once it runs again', async () => {
      await using harness = await open();
      const { runtime } = harness;
      await load(runtime, { 'a.service': service('ExecStart=/bin/sleep infinity') });
      await startAndWait(runtime, 'a.service');
      process.kill(await mainPid(runtime, 'a.service'), 'SIGKILL');
      await waitForStates(runtime, (states) => states.get('a.service')?.exit !== undefined);
      assert.deepEqual((await unitOf(runtime, 'a.service'))?.state.exit, { result: 'signal', signal: 9 });
      await startAndWait(runtime, 'a.service');
      assert.equal((await unitOf(runtime, 'a.service'))?.state.exit, undefined);
    });

    test('a unit whose binary is missing fails with 203/EXEC', async () => {
      await using harness = await open();
      const { runtime } = harness;
      await load(runtime, { 'a.service': service('ExecStart=/no/such/binary --flag') });
      await startAndWait(runtime, 'a.service', 'failed/failed');
      assert.match((await runtime.status('a.service')).text, /status=203\/EXEC/);
    });

    test('unloading a running unit stops it first; what is not there is no error', async () => {
      await using harness = await open();
      const { runtime } = harness;
      await load(runtime, { 'a.service': service('ExecStart=/bin/sleep infinity') });
      await startAndWait(runtime, 'a.service');
      const pid = await mainPid(runtime, 'a.service');
      assert.deepEqual([...(await runtime.apply({ unload: ['a.service', 'never.service'], load: [] }))], []);
      assert.ok(!isAlive(pid));
      assert.deepEqual(await runtime.units(), []);
      await waitForStates(runtime, (states) => !states.has('a.service'));
      assert.equal((await runtime.status('a.service')).exitCode, 4);
    });

    test('the same hash again changes nothing, another one replaces the unit', async () => {
      await using harness = await open();
      const { runtime } = harness;
      const text = service('ExecStart=/bin/sleep infinity');
      await load(runtime, { 'a.service': text });
      await startAndWait(runtime, 'a.service');
      const pid = await mainPid(runtime, 'a.service');
      await load(runtime, { 'a.service': text });
      assert.equal(await mainPid(runtime, 'a.service'), pid);
      const next = service('ExecStart=/bin/sleep 1000');
      await load(runtime, { 'a.service': next });
      const unit = await unitOf(runtime, 'a.service');
      assert.deepEqual([unit?.hash, unit?.launched, stateText(unit?.state)], [hashOf(next), false, 'inactive/dead']);
      assert.ok(!isAlive(pid));
    });

    test('one bad unit of a batch is answered with its reason, the others are done', async () => {
      await using harness = await open();
      const { runtime } = harness;
      const refused = await runtime.apply({
        unload: [],
        load: [
          { name: 'good.service', hash: '1', text: service('ExecStart=/bin/true') },
          { name: 'bad.service', hash: '2', text: '[Service]\nExecStart\n' },
        ],
      });
      assert.deepEqual([...refused.keys()], ['bad.service']);
      assert.match(refused.get('bad.service')!, /line 2/);
      assert.deepEqual(
        (await runtime.units()).map((unit) => unit.name),
        ['good.service'],
      );
    });

    test('starting or stopping what is not there is refused', async () => {
      await using harness = await open();
      const refusal = (error: unknown) => isFlotillaError(error, 'not-found');
      await load(harness.runtime, { 'b.service': service('ExecStart=/bin/sleep infinity') });
      assert.deepEqual(
        [...(await harness.runtime.start(['a.service', 'b.service']))],
        [['a.service', 'Unit a.service is not loaded on this machine']],
      );
      await waitFor(harness.runtime, 'b.service', 'active/running');
      await assert.rejects(harness.runtime.stop('a.service'), refusal);
      assert.deepEqual(await harness.runtime.status('a.service'), {
        text: 'Unit a.service could not be found.',
        exitCode: 4,
      });
    });

    test('what a unit requires is started with it, and before it where it says After', async () => {
      await using harness = await open();
      const { runtime } = harness;
      const slow = service('Type=oneshot\nRemainAfterExit=yes\nExecStart=/bin/sh -c "sleep 0.3; date +%%s%%N"');
      const after = service(
        'ExecStart=/bin/sh -c "date +%%s%%N; exec sleep infinity"',
        'Requires=db.service\nAfter=db.service',
      );
      await load(runtime, { 'db.service': slow, 'web.service': after });
      await startAndWait(runtime, 'web.service');
      await waitFor(runtime, 'db.service', 'active/exited');
      assert.equal((await unitOf(runtime, 'db.service'))?.launched, false);
      await waitForLog(runtime, 'web.service', /^\d+$/);
      const [db, web] = await Promise.all(
        ['db.service', 'web.service'].map(async (name) =>
          (await logOf(runtime, name)).find((line) => /^\d+$/.test(line)),
        ),
      );
      assert.ok(BigInt(db!) < BigInt(web!));
    });

    test('units that are started together come in the order that After and Before ask for, however many', async () => {
      await using harness = await open();
      const { runtime } = harness;
      using directory = mkdtempDisposableSync(path.join(tmpdir(), 'order-'));
      const file = path.join(directory.path, 'order');
      // By name they stand in the opposite order.
      const numbers = Array.from({ length: 200 }, (_, index) => 199 - index);
      const textOf = (number: number) => {
        const neighbours = `After=%p@${number + 1}.service\nBefore=x.service %p@${number - 1}.service`;
        const order = number % 2 === 0 ? neighbours : '';
        return service(`Type=oneshot\nRemainAfterExit=yes\nExecStart=/bin/sh -c 'echo %i >>${file}'`, order);
      };
      await load(runtime, Object.fromEntries(numbers.map((number) => [`z@${number}.service`, textOf(number)])));
      await runtime.start([...numbers].reverse().map((number) => `z@${number}.service`));
      const over = (states: ReadonlyMap<string, RuntimeState>) =>
        numbers.every((number) => stateText(states.get(`z@${number}.service`)) === 'active/exited');
      await waitForStates(runtime, over, 30_000);
      assert.deepEqual(readFileSync(file, 'utf8').trim().split('\n').map(Number), numbers);
    });

    test('a unit that conflicts with a running one stops it', async () => {
      await using harness = await open();
      const { runtime } = harness;
      await load(runtime, {
        'a.service': service('ExecStart=/bin/sleep infinity'),
        'b.service': service('ExecStart=/bin/sleep infinity', 'Conflicts=a.service\nAfter=a.service'),
      });
      await startAndWait(runtime, 'a.service');
      await startAndWait(runtime, 'b.service');
      await waitFor(runtime, 'a.service', 'inactive/dead');
    });

    test('reload runs ExecReload, and is refused where there is none', async () => {
      await using harness = await open();
      const { runtime } = harness;
      const trap = `ExecStart=/bin/sh -c "trap 'echo reloaded' HUP; echo ready; while :; do sleep 0.05; done"`;
      await load(runtime, {
        'a.service': service(`${trap}\nExecReload=/bin/kill -HUP $MAINPID`),
        'b.service': service('ExecStart=/bin/sleep infinity'),
      });
      await startAndWait(runtime, 'a.service');
      await waitForLog(runtime, 'a.service', 'ready');
      await runtime.reload('a.service');
      await waitForLog(runtime, 'a.service', 'reloaded');
      await waitFor(runtime, 'a.service', 'active/running');
      await startAndWait(runtime, 'b.service');
      await assert.rejects(runtime.reload('b.service'), (error) => isFlotillaError(error));
    });

    test('logs come in the formats of journalctl, as many lines as asked for', async () => {
      await using harness = await open();
      const { runtime } = harness;
      await load(runtime, {
        'a.service': service('SyslogIdentifier=talker\nType=oneshot\nExecStart=/bin/sh -c "echo out; echo err >&2"'),
      });
      await startAndWait(runtime, 'a.service', 'inactive/dead');
      await waitForLog(runtime, 'a.service', /^Finished .*Test\.$/);
      const short = await logOf(runtime, 'a.service', 'short');
      assert.ok(
        short.some((line) => /^[A-Z][a-z]{2} \d\d \d\d:\d\d:\d\d \S+ talker\[\d+\]: out$/.test(line)),
        short.join('\n'),
      );
      const iso = await logOf(runtime, 'a.service', 'short-iso');
      assert.ok(iso.some((line) => /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d{4} \S+ talker\[\d+\]: err$/.test(line)));
      const json = (await logOf(runtime, 'a.service', 'json')).map((line) => JSON.parse(line));
      assert.ok(json.some((entry) => entry.MESSAGE === 'out' && entry.SYSLOG_IDENTIFIER === 'talker'));
      assert.equal((await logOf(runtime, 'a.service', 'cat', 1)).length, 1);
      await assert.rejects(logOf(runtime, 'a.service', 'nonsense'), (error) => isFlotillaError(error, 'invalid'));
    });

    test('following a log gives new lines as they come', async () => {
      await using harness = await open();
      const { runtime } = harness;
      await load(runtime, {
        'a.service': service('ExecStart=/bin/sh -c "i=0; while :; do i=$$((i+1)); echo line $$i; sleep 0.02; done"'),
      });
      await startAndWait(runtime, 'a.service');
      const abort = new AbortController();
      const seen: number[] = [];
      const options = { lines: 1, follow: true, output: 'cat', signal: abort.signal };
      for await (const line of runtime.logs('a.service', options)) {
        const number = Number(/^line (\d+)$/.exec(line)?.[1]);
        if (number > 0) seen.push(number);
        if (seen.length === 20) break;
      }
      assert.deepEqual(
        seen,
        Array.from({ length: 20 }, (_, index) => seen[0]! + index),
      );
    });

    test('whoever opens the runtime next finds the units as they are', async () => {
      await using first = await open();
      await load(first.runtime, { 'a.service': service('ExecStart=/bin/sleep infinity') });
      await startAndWait(first.runtime, 'a.service');
      const pid = await mainPid(first.runtime, 'a.service');
      await using second = await first.reopen();
      assert.equal(await mainPid(second.runtime, 'a.service'), pid);
      assert.equal((await unitOf(second.runtime, 'a.service'))?.launched, true);
    });
  });
}
