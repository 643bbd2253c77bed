import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { freePort } from '../../src/lib/test-free-port.ts';
import { until } from '../../src/lib/test-until.ts';
import { isAlive, LabFixture } from './lab-fixture.ts';

const EXAMPLES: string = path.resolve(import.meta.dirname, '../../examples');
const hasWebServer = spawnSync('sh', ['-c', 'command -v busybox || command -v python3']).status === 0;

describe('the examples', () => {
  const lab = new LabFixture();
  const started = new Set<string>();
  before(() => lab.up());
  after(() => lab.dispose());

  /** Starts units by the paths of their files, as examples/README.md does. */
  async function start(...names: string[]): Promise<void> {
    for (const name of names) started.add(name.replace(/@.*/, '@').replace(/\.service$/, ''));
    await lab.ok('start', '--timeout', '20s', ...names.map((name) => path.join(EXAMPLES, name)));
  }

  const journal = (unit: string) => lab.ok('journal', '--output', 'cat', '--lines', '20', unit);
  const where = async (unit: string) => (await lab.whereActive(`${unit}.service`))?.number;

  test('hello.service says hello', async () => {
    await start('hello.service');
    await until('hello', async () => /^Hello World$/m.test(await journal('hello')));
    await lab.ok('destroy', 'hello');
  });

  test('web@ serves its page, and its sidekick is where it is', {
    skip: hasWebServer ? false : 'neither busybox nor python3 is installed (apt install busybox-static)',
  }, async () => {
    const port = await freePort();
    const [web, announce] = [`web@${port}`, `web-announce@${port}`];
    await start(web, announce);
    const machine = (await lab.whereActive(`${web}.service`))!;
    assert.equal(await where(announce), machine.number);
    const fetched = await until('the page', () => fetch(`http://127.0.0.1:${port}/`).catch(() => undefined));
    assert.equal(await fetched.text(), `Hello from ${web}.service on machine ${machine.id}\n`);
    await until('announced', async () =>
      (await journal(announce)).includes(`web@${port} answers on machine ${machine.id}`),
    );

    await lab.ok('lab', 'kill', String(machine.number));
    await until('both run elsewhere', async () => {
      const [first, second] = [await where(web), await where(announce)];
      return first !== undefined && first !== machine.number && first === second;
    });
    await lab.ok('lab', 'revive', String(machine.number));

    await lab.ok('destroy', web);
    await until('the sidekick goes with its server', async () => (await lab.ok('list-units', '--no-legend')) === '');
    await lab.ok('destroy', announce);
  });

  test('worker@: one on each machine, a fourth waits and says why', async () => {
    await start('worker@1', 'worker@2', 'worker@3');
    const machines = await Promise.all([1, 2, 3].map((number) => where(`worker@${number}`)));
    assert.deepEqual(machines.toSorted(), [1, 2, 3]);
    const { status, err } = await lab.run('start', '--timeout', '1s', path.join(EXAMPLES, 'worker@4'));
    assert.equal(status, 1);
    assert.match(err, /worker@4\.service.*[\s\S]*conflicts with worker@\d\.service/i);
    assert.match(await lab.ok('list-unit-files'), /^worker@4\.service\t.*\tlaunched\tinactive\t+-$/m);
    await lab.ok('destroy', 'worker@1');
    await until('the fourth has room', async () => (await where('worker@4')) !== undefined);
    await lab.ok('destroy', 'worker@2', 'worker@3', 'worker@4');
  });

  test('load-monitor.service runs on every machine', async () => {
    await start('load-monitor.service');
    await until('on all three', async () => {
      const lines = (await lab.ok('list-units', '--no-legend')).match(/^load-monitor\.service\t.*\tactive\trunning$/gm);
      return lines?.length === 3;
    });
    const ids = (await lab.machines()).map(({ id }) => id);
    const text = await until('each has spoken', async () => {
      const all = await journal('load-monitor');
      return ids.every((id) => all.includes(`machine ${id}: load `)) ? all : undefined;
    });
    assert.equal(text.match(/^==> /gm)?.length, 3);
    await lab.ok('destroy', 'load-monitor');
  });

  test('nightly-report.service runs to its end, and again', async () => {
    await start('nightly-report.service');
    const steps = 'collecting\ncounting mon\ncounting tue\ncounting wed\nreport is done\n';
    assert.ok((await journal('nightly-report')).includes(steps));
    await lab.ok('restart', 'nightly-report');
    assert.equal((await journal('nightly-report')).split(steps).length, 3);
    await lab.ok('destroy', 'nightly-report');
  });

  test('ledger.service is stopped while its machine is cut off from the store, others run on', async () => {
    await start('ledger.service', 'hello.service');
    const status = JSON.parse(await lab.ok('lab', 'status', '-o', 'json')) as { store: { pid: number } };
    const mainPid = async (unit: string) => Number(/Main PID: (\d+)/.exec(await lab.ok('status', unit))![1]);
    const [ledger, hello] = [await mainPid('ledger'), await mainPid('hello')];
    process.kill(status.store.pid, 'SIGSTOP');
    try {
      await until('the ledger is stopped', () => !isAlive(ledger), 8000);
      assert.ok(isAlive(hello));
    } finally {
      process.kill(status.store.pid, 'SIGCONT');
    }
    await until('the ledger is written again', async () => (await where('ledger')) !== undefined);
    assert.equal(await mainPid('hello'), hello);
  });

  test('each of them has been started', () => {
    const all = readdirSync(EXAMPLES).filter((name) => name.endsWith('.service'));
    const missing = all.map((name) => name.replace(/\.service$/, '')).filter((name) => !started.has(name));
    assert.deepEqual(hasWebServer ? missing : missing.filter((name) => !name.startsWith('web')), []);
  });
});
