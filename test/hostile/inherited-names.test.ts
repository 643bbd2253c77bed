import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { loadConfig } from '../../src/daemon/config.ts';
import { strayProcesses } from '../../src/lab/stray-processes.ts';
import { parseDuration } from '../../src/lib/index.ts';
import { judgeDirective } from '../../src/runtime/supervisor/spec/unsupported.ts';
import { parseTimeSpanMs } from '../../src/runtime/supervisor/spec/values.ts';
import { parseUnitFile, readServices } from '../../src/unitfile/index.ts';

/** What every object of the language inherits: of no table of ours are these rows. */
const NAMES: readonly string[] = Object.getOwnPropertyNames(Object.prototype);
const root = path.resolve(import.meta.dirname, '../..');
const directory = mkdtempSync(path.join(tmpdir(), 'inherited-'));
after(() => rmSync(directory, { recursive: true, force: true }));

test('as settings in fleet.conf they are unknown, as keys of metadata they are kept', () => {
  const file = path.join(directory, 'fleet.conf');
  writeFileSync(file, NAMES.map((name) => `${name}=x\n`).join(''));
  const { notices } = loadConfig(file, {});
  assert.deepEqual(
    notices,
    NAMES.map((name, index) => `${file}:${index + 1}: unknown setting ${name} is ignored`),
  );
  writeFileSync(file, `metadata=${NAMES.map((name) => `${name}=x`).join(',')}\n`);
  assert.deepEqual(Object.keys(loadConfig(file, {}).config.metadata).sort(), [...NAMES].sort());
});

test('as options of [X-Service] they are unknown, as keys of Meta= they are kept', () => {
  for (const name of NAMES) {
    const { options } = parseUnitFile(`[X-Service]\nName=a\nPort=80\n${name}=x\n`);
    const { problems } = readServices('a.service', options);
    assert.equal(problems.length, 1, name);
  }
  const { options } = parseUnitFile(
    `[X-Service]\nName=a\nPort=80\nMeta=${NAMES.map((name) => `${name}=x`).join(' ')}\n`,
  );
  const { services, problems } = readServices('a.service', options);
  assert.deepEqual(problems, []);
  assert.deepEqual(Object.keys(services[0]!.meta).sort(), [...NAMES].sort());
});

test('as units of time and as directives of systemd they are unknown', () => {
  for (const name of NAMES) {
    assert.equal(parseDuration(`5${name}`), undefined, name);
    assert.equal(parseTimeSpanMs(`5${name}`), undefined, name);
    for (const section of ['Unit', 'Service', name]) assert.equal(judgeDirective(section, name, 'x'), 'unknown', name);
  }
});

test('as roles of fleetd and commands of fleetctl they are refused in a sentence', () => {
  for (const name of ['constructor', 'toString', '__proto__'])
    for (const [program, args, message] of [
      ['fleetd', [name], /^fleetd: /],
      ['fleetctl', [name], new RegExp(`unknown command.*${name}`, 'i')],
      ['fleetctl', ['lab', name], new RegExp(`unknown lab command ${name}`)],
      ['fleetctl', [`--${name}=x`, 'list-units'], new RegExp(`unknown flag.*--${name}`)],
    ] as const) {
      const { status, stderr } = spawnSync(`${root}/bin/${program}`, args, { encoding: 'utf8', timeout: 60_000 });
      assert.notEqual(status, 0, `${program} ${args.join(' ')}`);
      assert.match(stderr, message);
      assert.doesNotMatch(stderr, /\n\s+at /);
    }
});

test('as an argument of some process they do not end a search through all processes', async () => {
  const lab = path.join(directory, 'lab');
  const { spawn } = await import('node:child_process');
  const { once } = (await import('node:events')).default;
  const child = spawn('/bin/sh', ['-c', 'echo; read x', 'sh', 'constructor', `${lab}/store`], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  await once(child.stdout, 'data');
  assert.deepEqual(strayProcesses(lab), []);
  child.kill('SIGKILL');
});
