import assert from 'node:assert/strict';
import { readFileSync, truncateSync } from 'node:fs';
import { createServer } from 'node:net';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { freePort } from '../../src/lib/test-free-port.ts';
import type { LabMachine } from './lab-fixture.ts';
import { SteadyLab } from './steady-lab.ts';

const MANY = 10_000;

describe('mistaken files, command lines and requests', () => {
  const lab = new SteadyLab();
  let machine: LabMachine;
  before(async () => {
    await lab.up('--machines', '1');
    [machine] = (await lab.machines()) as [LabMachine];
  });
  after(() => lab.dispose());

  test('unit files with mistakes are refused with their lines, all of them at once', async () => {
    const cases: readonly [string, string | Uint8Array, string[]][] = [
      [
        'garbled.service',
        '[Unit\nDescription=x\nExecStart\n[Service] junk\nExecStart=/bin/true\n',
        [
          ':1: unable to find end of section: "[Unit" has no "]"',
          ':3: expected "Name=value", found "ExecStart"',
          ':4: found garbage after section name [Service]: "junk"',
        ],
      ],
      ['empty.service', '# nothing\n', [': the unit file has no options']],
      [
        'long.service',
        `[Service]\nExecStart=${'a'.repeat(2100)}\n`,
        [
          ':2: line is too long: 2110 bytes, at most 2047 fit, as in fleet: end it in a backslash and go on in the next one',
        ],
      ],
      ['nul.service', '[Service]\nExecStart=/bin/a\0b\n', [':2: line holds a NUL byte']],
      ['latin1.service', Buffer.from('[Unit]\nDescription=Caf\xe9\n', 'latin1'), [':2: not text in UTF-8']],
      [
        'both.service',
        '[Service]\nExecStart=/bin/true\n[X-Fleet]\nMachineOf=a.service\nConflicts=a.*\n',
        [':5: MachineOf=a.service contradicts Conflicts=a.*: the unit must be with a.service and cannot be'],
      ],
    ];
    for (const [name, content, problems] of cases) {
      const file = lab.write(name, content);
      for (const command of ['submit', 'load', 'start']) {
        const { status, out, err } = await lab.run(command, file);
        const expected = `Error creating units: ${problems.map((problem) => `${file}${problem}\n`).join('')}`;
        assert.deepEqual([status, out, err], [1, '', expected]);
      }
    }
  });

  test('a program given as a unit file is refused in few words', async () => {
    const program = lab.write('program.service', readFileSync(process.execPath).subarray(0, 10_000_000));
    const { err } = await lab.refused(['start', program], 1, /program\.service:1: not text in UTF-8/);
    assert.ok(err.length < 1000);
    const zeros = lab.write('zeros.service', '');
    truncateSync(zeros, 20_000_000);
    const refused = await lab.refused(['start', zeros], 1, /zeros\.service:1: line is too long: 20000000 bytes/);
    assert.ok(refused.err.length < 5000);
    const prose = lab.write('prose.service', 'It was a dark and stormy night.\n'.repeat(5000));
    assert.match((await lab.refused(['start', prose], 1, /and 4980 more/)).err, /:20: .*\n.*: and 4980 more\n$/);
  });

  test('bad names, commands, flags and endpoints are one sentence that says what to write', async () => {
    const unreachable = `http://127.0.0.1:${await freePort()}`;
    const cases: readonly [string[], number, RegExp][] = [
      [['start', 'bad name.service'], 1, /invalid character " " in unit name "bad name\.service"/],
      [['start', '@x.service'], 1, /unit name "@x\.service" cannot begin with "@"/],
      [['start', `${'a'.repeat(260)}.service`], 1, /exceeds maximum length \(256 bytes\)/],
      [['start', 'nothere.service'], 1, /unable to find Unit\(nothere\.service\) in Registry or on filesystem/],
      [['start', 'nothere@1'], 1, /unable to find Unit\(nothere@1\.service\) .*nor its template nothere@\.service/],
      [['strat', 'x'], 2, /unknown command "strat"\. Did you mean start\?/],
      [['list', '--full'], 2, /ambiguous command "list": it may be list-machines, list-unit/],
      [['start', '--no-blok', 'x'], 2, /unknown flag: --no-blok\. Did you mean --no-block\?/],
      [
        ['list-units', '--fields', 'unit,actve'],
        1,
        /Invalid key in output format: "actve" \(valid .*did you mean active\?\)/,
      ],
      [['list-units', '-o', 'xml'], 2, /invalid value "xml" for -o: write one of table, wide, json/],
      [['--request-timeout', 'soon', 'list-units'], 2, /invalid value "soon" for --request-timeout: write a duration/],
      [
        ['--endpoint', unreachable, 'list-units'],
        1,
        /cannot reach the fleet API at http:.* \(connection refused\)\. Is fleetd/,
      ],
      [
        ['--endpoint', 'unix:///no/such.sock', 'list-units'],
        1,
        /cannot reach .*unix:\/\/\/no\/such\.sock \(there is no such/,
      ],
      [
        ['--endpoint', 'unix://var/run/fleet.sock', 'list-units'],
        1,
        /unable to connect to host "var" with scheme "unix": .* unix:\/\/\/var\/run\/fleet\.sock/,
      ],
      [['--endpoint', 'ftp://here', 'list-units'], 1, /scheme ftp is none of unix, http, https/],
      [['--endpoint', 'localhost:49153', 'list-units'], 1, /has no scheme: write unix:.* or http:/],
      [['--endpoint', 'http://127.0.0.1:99999', 'list-units'], 1, /is not a URL: write http:\/\/host:port/],
    ];
    for (const [args, status, words] of cases) {
      const { out, err } = await lab.refused(args, status, words);
      assert.deepEqual([out, err.trimEnd().split('\n').length], ['', 1], args.join(' '));
    }
    const silent = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => silent.once('listening', resolve));
    try {
      const { port } = silent.address() as { port: number };
      const args = ['--endpoint', `http://127.0.0.1:${port}`, '--request-timeout', '0.2', 'list-units'];
      await lab.refused(args, 1, /no answer within 0\.2 s/);
    } finally {
      silent.close();
    }
  });

  test('the API refuses what is no request of its own, in fleet’s words', async () => {
    const json = { 'content-type': 'application/json' };
    const good = JSON.stringify({
      options: [{ section: 'Service', name: 'ExecStart', value: '/bin/true' }],
      desiredState: 'inactive',
    });
    const large = JSON.stringify({
      desiredState: 'inactive',
      options: [{ section: 'Unit', name: 'A', value: 'x'.repeat(1 << 20) }],
    });
    const cases: readonly [string, RequestInit, number, RegExp][] = [
      [
        '/units/a.service',
        { method: 'PUT', body: good, headers: { 'content-type': 'text/plain' } },
        415,
        /application\/json/,
      ],
      ['/units/a.service', { method: 'PUT', body: good.slice(1), headers: json }, 400, /not valid JSON/],
      ['/units/a.service', { method: 'PUT', body: large, headers: json }, 413, /larger than 1048576 bytes \(1 MB\)/],
      ['/units/a%20b.service', { method: 'PUT', body: good, headers: json }, 400, /invalid character/],
      [
        '/units/a.service',
        { method: 'PUT', body: '{"desiredState":"inactive"}', headers: json },
        409,
        /options field empty/,
      ],
      [
        '/units/a.service',
        { method: 'PUT', body: good.replace('inactive', 'dancing'), headers: json },
        400,
        /dancing|desiredState/,
      ],
      ['/units?nextPageToken=bm90IG91cnM=', {}, 400, /invalid value of nextPageToken/],
      ['/units?nextPageToken=BwABAA==', {}, 400, /invalid value of nextPageToken.*another server/],
      ['/units?nextPageToken=ZAABAA==&nextPageToken=ZAABAA==', {}, 400, /too many values for nextPageToken/],
      ['/units/a.service', {}, 404, /unit does not exist/],
      ['/nonsense', {}, 404, /no such resource/],
      ['/machines', { method: 'DELETE' }, 405, /only .* supported against this resource/],
    ];
    for (const [at, init, status, words] of cases) {
      const response = await fetch(`${machine.endpoint}/fleet/v1${at}`, init);
      const { error } = (await response.json()) as { error: { code: number; message: string } };
      assert.deepEqual(
        [response.status, error.code],
        [status, status],
        `${init.method ?? 'GET'} ${at}: ${error.message}`,
      );
      assert.match(error.message, words);
    }
    assert.equal(await lab.ok('list-unit-files', '--no-legend'), '');
  });

  test('ten thousand units are submitted, listed and paged through', async () => {
    lab.write('many@.service', '[Service]\nExecStart=/bin/sleep 1000\n');
    const names = Array.from({ length: MANY }, (_, i) => `many@${i}.service`);
    const out = await lab.ok('submit', ...names.map((name) => path.join(lab.folder, name)));
    assert.equal(out.split('\n').length - 1, MANY);
    const listed = (await lab.ok('list-unit-files', '--no-legend', '--fields', 'unit')).trimEnd().split('\n');
    assert.deepEqual(listed, names.toSorted());
    assert.equal(JSON.parse(await lab.ok('list-unit-files', '-o', 'json')).length, MANY);
    assert.deepEqual(await pagedNames(), names.toSorted());
  });

  /** The names of all units as a client of fleet gets them, page by page. */
  async function pagedNames(): Promise<string[]> {
    const names: string[] = [];
    let query = '';
    do {
      const response = await fetch(`${machine.endpoint}/fleet/v1/units${query}`);
      const page = (await response.json()) as { units: { name: string }[]; nextPageToken?: string };
      names.push(...page.units.map(({ name }) => name));
      query = page.nextPageToken === undefined ? '' : `?nextPageToken=${page.nextPageToken}`;
    } while (query !== '' && names.length <= MANY);
    return names;
  }

  test('none of the lab’s own processes has ended', () => lab.assertUnharmed());
});
