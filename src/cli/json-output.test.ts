import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { ask } from '../api/test-api.ts';
import { until } from '../lib/test-until.ts';
import { JSON_SHAPES, jsonSchemaText } from './json-shapes.ts';
import { TestLab } from './test-lab.ts';

const EXIT_CODES = new URL('../../docs/reference/exit-codes.md', import.meta.url);
const SERVICE = '[Service]\nExecStart=/bin/sleep infinity\n\n[X-Service]\nName=web\nPort=8080\n';

let lab: TestLab;
before(async () => {
  lab = await TestLab.start(2);
  lab.write('web.service', SERVICE);
  lab.write('stopped.service', '[Service]\nExecStart=/bin/sleep infinity\n');
  lab.write('broken.service', '[Service]\nExecStart=/bin/sh -c "exit 3"\n');
  await lab.ok('start --no-wait-healthy ~/web.service');
  await lab.ok('load ~/stopped.service');
  await lab.run('start --no-block ~/broken.service');
  await lab.ok('wait web');
});
after(() => lab?.close());

test('each command prints what its schema says', async () => {
  const lines: Readonly<Record<keyof typeof JSON_SHAPES, string>> = {
    version: 'version',
    'list-machines': 'list-machines',
    'list-units': 'list-units',
    'list-unit-files': 'list-unit-files',
    status: 'status web stopped broken',
    events: 'events -n 1000',
    why: 'why web',
    services: 'services',
    resolve: 'resolve web',
    'router routes': 'router routes',
    'router backends': 'router backends',
    'router certificates': 'router certificates',
  };
  for (const [name, line] of Object.entries(lines)) {
    const { out, err } = await lab.run(`${line} -o json`);
    const values =
      name === 'events'
        ? out
            .trim()
            .split('\n')
            .map((text) => JSON.parse(text))
        : [JSON.parse(out)];
    for (const value of values) {
      const { success, error } = JSON_SHAPES[name as keyof typeof JSON_SHAPES].safeParse(value);
      assert.ok(success, `${line}: ${error?.message}\n${JSON.stringify(value)}\n${err}`);
    }
  }
});

test('the API responds about services and routes as its table of calls promises', async () => {
  // `ask` holds each response against the table.
  const socketPath = lab.machines[0]!.socket;
  const get = (path: string) => ask(`http://localhost/fleet/v1/${path}`, { socketPath });
  for (const path of ['services', 'services/web', 'router', 'router/backends', 'router/config/nginx', 'leader'])
    assert.equal((await get(path)).status, 200, path);
  const { json } = await get('services/web');
  assert.deepEqual([json.instances[0].source, json.instances[0].port], ['unit', 8080]);
});

test('a machine has one shape wherever it stands', async () => {
  const [first] = JSON.parse(await lab.ok('list-units -o json web'));
  const number = lab.machines.find(({ id }) => id === first.machineID)!.number;
  const address = lab.machines.find(({ id }) => id === first.machineID)!.address;
  const machine = { id: first.machineID, hostname: `m${number}`, address };
  assert.deepEqual(first.machine, machine);
  const [unit] = JSON.parse(await lab.ok('list-unit-files -o json web'));
  assert.deepEqual(unit.placements[0].machine, machine);
  const [{ reports }] = JSON.parse((await lab.run('status -o json web')).out);
  assert.deepEqual([reports[0].machine, reports[0].active, reports[0].sub], [machine, 'active', 'running']);
});

test('status tells how a unit failed, in fields', async () => {
  let exit: unknown;
  await until('the unit has failed', async () => {
    const { out } = await lab.run('status -o json broken');
    exit = JSON.parse(out)[0]?.reports[0]?.exit;
    return exit !== undefined;
  });
  assert.deepEqual(exit, { result: 'exit-code', status: 3 });
  const event = JSON.parse((await lab.ok('events -n 1 -o json broken')).trim());
  assert.deepEqual([event.kind, event.result, event.exitStatus], ['unit-state', 'exit-code', 3]);
});

test('no table is wider than a terminal of 80 columns, and a pipe gets all of it', async () => {
  const name = `a-unit-with-a-name-${'that-is-long-'.repeat(5)}indeed@8080.service`;
  lab.write(
    name,
    `[Unit]\nDescription=${'Long '.repeat(30)}\n${SERVICE.replace('Name=web', `Name=${'long-'.repeat(10)}service`)}`,
  );
  await lab.ok(`start --no-wait-healthy ~/${name}`);
  const lists = ['list-units', 'list-unit-files', 'list-unit-files --fields unit,hash,desc', 'list-machines'];
  const service = `${'long-'.repeat(10)}service`;
  await until('the service is in the catalog', async () => (await lab.ok('services')).includes(service));
  for (const line of [...lists, 'services', `services ${service}`, 'router routes', 'router backends']) {
    const { out } = await lab.run(line, { terminal: true });
    for (const text of out.replace(/\x1b\[\d*m/g, '').split('\n')) assert.ok(columnsOf(text) <= 80, `${line}: ${text}`);
  }
  assert.ok((await lab.ok('list-units')).includes(name));
  assert.ok((await lab.run('list-units --full', { terminal: true })).out.includes(name));
  assert.ok((await lab.run('list-units -o wide', { terminal: true })).out.includes(name));
});

/** Counts columns as a terminal does, with tab stops at every eighth. */
function columnsOf(text: string): number {
  return text.split('\t').reduce((at, cell, i) => (i === 0 ? 0 : Math.floor(at / 8) * 8 + 8) + [...cell].length, 0);
}

test('the schema lets a later version add fields', () => {
  assert.equal(jsonSchemaText().match(/"additionalProperties": false/g)?.length, undefined);
});

test('exit codes are those of the documents', async () => {
  const rows = readFileSync(EXIT_CODES, 'utf8').matchAll(/^\| (\d+) \|.*\| `fleetctl ([^`]+)` \|$/gm);
  const checked = [...rows].map(([, code, line]) => [line!, Number(code)] as const);
  assert.deepEqual(
    checked.map(([, code]) => code),
    [0, 1, 2, 3],
  );
  for (const [line, code] of checked) assert.equal((await lab.run(line)).status, code, line);
});

test('a power cut is told as one, at the time at which the leader saw it', async () => {
  await lab.spawned('lab', 'kill', '2');
  await until('the machine is gone', async () => !(await lab.ok('list-machines -o json')).includes('"m2"'));
  let lost: Record<string, unknown> = {};
  await until('the loss is told', async () => {
    const events = (await lab.ok('events -n 1000 -o json --machine m2')).trim().split('\n');
    const event = events.map((text) => JSON.parse(text)).find(({ kind }) => kind === 'machine-lost');
    if (event) lost = event;
    // Between the end of the lease and the leader's note the time is unknown.
    return event?.atMs !== undefined;
  });
  assert.equal(typeof lost['atMs'], 'number');
  assert.equal(lost['approximate'], undefined);
  assert.match(String(lost['reason']), /its lease ended/);
  assert.equal((lost['machine'] as { hostname: string }).hostname, 'm2');
});

test('an error is one line of JSON with its code, as docs/reference/errors.md shows it', async () => {
  const page = readFileSync(new URL('../../docs/reference/errors.md', import.meta.url), 'utf8');
  const [, line, shown] = /^\$ fleetctl (.+)\n(.+)$/m.exec(page)!;
  const { status, out, err } = await lab.run(line!);
  assert.deepEqual({ status, out, err }, { status: 1, out: '', err: `${shown}\n` });
  const wrong = await lab.run('list-units -o json --no-such-flag');
  assert.match(wrong.err, /^unknown flag/);
  const usage = JSON.parse((await lab.run('list-units -o json --block-attempts 3')).err) as { error: { code: string } };
  assert.equal(usage.error.code, 'usage');
});
