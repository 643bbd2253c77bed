import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { test } from 'node:test';
import { type ErrorCode, isFlotillaError } from '../lib/index.ts';
import { until } from '../lib/test-until.ts';
import type { CheckDefinition, Probe } from '../model/index.ts';
import type { CheckResult } from './check-result.ts';
import { shortened } from './check-result.ts';
import { healthOf, LocalServices, type RunProbe, runProbe } from './index.ts';
import { machine, openTestStore, registration, TestSource } from './test-services.ts';

const testStore = await openTestStore();
let files = 0;

function open(options: { file?: string; probe?: RunProbe } = {}) {
  const source = new TestSource();
  const stopping = new AbortController();
  const { clock, random, log } = testStore.options;
  const signal = AbortSignal.any([testStore.signal, stopping.signal]);
  const file = options.file ?? path.join(testStore.directory, `local-${++files}.json`);
  const parts = {
    machine: () => machine('m1'),
    unitOf: () => undefined,
    unitContainersOnly: false,
    drainMs: 0,
    scriptChecks: { api: false, container: false },
  };
  const probe = options.probe ?? runProbe;
  const local = new LocalServices({ ...parts, sources: [source], file, probe, clock, random, log, signal });
  const get = (id: string) => local.instances().get(id);
  const health = (id: string) => {
    const instance = get(id);
    return instance && healthOf(instance);
  };
  return { source, local, file, get, health, stop: () => stopping.abort(new Error('stopped')) };
}

function check(id: string, probe: Probe, over: Partial<CheckDefinition> = {}): CheckDefinition {
  return { id, name: id, notes: '', probe, status: 'critical', ...over };
}

const TTL = { type: 'ttl', ttlMs: 60_000 } as const;
const KEEP = { keepChecks: true };

test('registrations of third parties outlive fleetd, with added checks and maintenance', async () => {
  const before = open();
  await before.local.register(registration('a', { checks: [check('own', TTL)] }), KEEP);
  await before.local.register(registration('b'), KEEP);
  assert.equal(await before.local.registerCheck('a', check('added', TTL)), true);
  assert.equal(await before.local.registerCheck('none', check('x', TTL)), false);
  assert.equal(await before.local.setMaintenance('b', 'repairs'), true);
  before.stop();
  const again = open({ file: before.file });
  assert.deepEqual(
    again.get('a')?.checks.map(({ id }) => id),
    ['own', 'added'],
  );
  assert.equal(again.get('a')?.source, 'api');
  assert.deepEqual(
    again.get('b')?.checks.map(({ id, notes, status }) => [id, notes, status]),
    [['_service_maintenance:b', 'repairs', 'critical']],
  );
  await again.local.setMaintenance('b', undefined);
  assert.equal(again.health('b'), 'passing');
  assert.equal(await again.local.deregisterCheck('own'), true);
  assert.equal(await again.local.deregisterCheck('own'), false);
  assert.equal(await again.local.deregister('a'), true);
  assert.equal(await again.local.deregister('a'), false);
  const third = open({ file: before.file });
  assert.deepEqual([...third.local.instances().keys()], ['b']);
});

test('checks of the machine and its maintenance outlive fleetd, and stay as they were while it ends', async () => {
  const before = open();
  const shown = ({ local }: typeof before) =>
    [...local.nodeChecks().values()].map(({ id, service, status, output }) => [id, service, status, output]);
  assert.deepEqual(shown(before), []);
  assert.equal(await before.local.registerCheck('', check('disk', TTL)), true);
  assert.equal(before.local.report('disk', 'passing', 'room'), true);
  assert.equal(await before.local.setMaintenance('', 'repairs'), true);
  const published = before.local.nodeChecks();
  const both = [
    ['disk', '', 'passing', 'room'],
    ['_node_maintenance', '', 'critical', ''],
  ];
  assert.deepEqual(shown(before), both);
  before.stop();
  before.local.leaveAll();
  assert.deepEqual(shown(before), both);
  const again = open({ file: before.file });
  again.local.recall(new Map(), published);
  assert.deepEqual(shown(again), both);
  await again.local.setMaintenance('', undefined);
  assert.equal(await again.local.deregisterCheck('disk'), true);
  assert.deepEqual(shown(again), []);
});

test('checks and maintenance of instances that are gone are kept for the newest 256 of them', async () => {
  const { source, local, file, get } = open();
  const names = Array.from({ length: 300 }, (_, i) => `i${i}`);
  const all = [...names, 'there'].map((id) => registration(id));
  source.say(all);
  await until('all are there', () => get('there') !== undefined);
  await local.setMaintenance('', 'of the machine');
  const change = (id: string) => [local.registerCheck(id, check(`c-${id}`, TTL)), local.setMaintenance(id, 'repairs')];
  await Promise.all(['there', ...names].flatMap(change));
  // The first one was changed last, so it is kept.
  await local.registerCheck('i0', check('c-i0', TTL));
  source.say(all.slice(-1));
  await until('the others are gone', () => get('i1') === undefined);
  const kept = (list: string) => JSON.parse(readFileSync(file, 'utf8'))[list].map(([id]: [string]) => id) as string[];
  assert.equal(kept('checks').length, 301);
  await local.setMaintenance('there', undefined);
  assert.deepEqual(new Set(kept('checks')), new Set(['there', 'i0', ...names.slice(-255)]));
  assert.deepEqual(new Set(kept('maintenance')), new Set(['', ...names.slice(-256)]));
  source.say(all);
  await until('they come back', () => get('i299') !== undefined);
  assert.deepEqual(
    get('i299')!
      .checks.map(({ id }) => id)
      .slice(0, 1),
    ['c-i299'],
  );
  assert.deepEqual(get('i1')!.checks, []);
});

test('a registration that is too large is refused, and changes nothing', async () => {
  const { local, source } = open();
  const script = { type: 'script', args: ['true'], env: {}, intervalMs: 1000, timeoutMs: 1000 } as const;
  const refused = (code: string) => (error: unknown) => isFlotillaError(error, code as ErrorCode);
  source.say([registration('u')]);
  await until('it is there', () => local.instances().has('u'));
  await assert.rejects(local.register(registration('a', { checks: [check('c', script)] }), KEEP), refused('forbidden'));
  await assert.rejects(local.registerCheck('u', check('c', script)), refused('forbidden'));
  const large = registration('a', { meta: { x: 'x'.repeat(100_000) } });
  await assert.rejects(local.register(large, KEEP), refused('too-large'));
  const long = 'x'.repeat(600);
  await assert.rejects(local.register(registration(long), KEEP), refused('too-large'));
  await assert.rejects(local.registerCheck('', check(long, TTL)), refused('too-large'));
  source.say([registration(long), registration('u'), registration('v', { meta: { x: 'x'.repeat(100_000) } })]);
  source.say([registration(long), registration('u'), registration('w')]);
  await until('what fits is there', () => local.instances().has('w'));
  assert.deepEqual([...local.instances().keys()], ['u', 'w']);
});

test('an added check is refused when the catalog has no room for the instance with all its checks', async () => {
  const { local, get } = open();
  await local.register(registration('a'), KEEP);
  await local.register(registration('b'), KEEP);
  const notes = 'x'.repeat(30_000);
  const add = (id: string, instance = 'a') => local.registerCheck(instance, check(id, TTL, { notes }));
  const outcomes = await Promise.allSettled([add('1'), add('2'), add('3'), add('4', 'b')]);
  assert.deepEqual(
    outcomes.map(({ status }) => status),
    ['fulfilled', 'fulfilled', 'rejected', 'fulfilled'],
  );
  await assert.rejects(add('3'), (error) => isFlotillaError(error, 'too-large'));
  assert.deepEqual(
    get('a')?.checks.map(({ id }) => id),
    ['1', '2'],
  );
  // A check that is replaced, or moves, makes room.
  assert.equal(await add('2'), true);
  assert.equal(await add('2', 'b'), true);
  assert.equal(await add('3'), true);
});

test('the report on a ttl check holds for its time to live', async () => {
  const { local, health } = open();
  await local.register(registration('a', { checks: [check('c', { type: 'ttl', ttlMs: 300 })] }), KEEP);
  assert.equal(health('a'), 'critical');
  assert.equal(local.report('c', 'passing', 'fine'), true);
  assert.equal(health('a'), 'passing');
  await until('its time is over', () => health('a') === 'critical');
  assert.equal(local.instances().get('a')?.checks[0]?.output, 'TTL expired');
  assert.equal(local.report('c', 'warning', ''), true);
  assert.equal(health('a'), 'warning');
  assert.equal(local.report('none', 'passing', ''), false);
});

test('an instance registered again keeps the results of its checks', async () => {
  const { local, health } = open();
  await local.register(registration('a', { checks: [check('c', TTL)] }), KEEP);
  local.report('c', 'passing', '');
  await local.register(registration('a', { port: 81, checks: [check('c', { ...TTL, ttlMs: 50_000 })] }), KEEP);
  assert.equal(health('a'), 'passing');
  await local.registerCheck('a', check('added', TTL));
  await local.register(registration('a', { port: 82 }), KEEP);
  assert.equal(health('a'), 'critical');
  await local.register(registration('a', { port: 83 }), { keepChecks: false });
  assert.equal(health('a'), 'passing');
});

test('an instance critical for too long leaves: a registered one for good, that of a source until it recovers', async () => {
  const { local, health, source, file } = open();
  const brief = check('c', TTL, { deregisterAfterMs: 100 });
  await local.register(registration('a', { checks: [brief] }), KEEP);
  source.say([registration('u', { checks: [{ ...brief, id: 'd' }] })]);
  await until('both are there', () => health('u') !== undefined);
  await until('both have gone', () => health('a') === undefined && health('u') === undefined);
  await until('one is forgotten', () => !readFileSync(file, 'utf8').includes('"a"'));
  // Memory follows the file; a report before that would count as one in time.
  await until('nothing is left of its check', () => !local.report('c', 'passing', ''));
  assert.equal(health('a'), undefined);
  assert.equal(local.report('d', 'passing', ''), true);
  assert.equal(health('u'), 'passing');
});

test('a check runs soon after its start, repeatedly until it passes, then in its interval', async () => {
  let answers = 0;
  const server = createServer((_, response) => response.writeHead(++answers < 3 ? 500 : 200).end());
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  const pace = { intervalMs: 60_000, timeoutMs: 1000 };
  const probe = { type: 'http', url, method: 'GET', headers: {}, body: '', verify: true, ...pace } as const;
  const { source, health, stop } = open();
  source.say([registration('u', { checks: [check('c', probe)] })]);
  await until('it passes', () => health('u') === 'passing');
  assert.equal(answers, 3);
  stop();
  server.close();
});

test('an output that changes while the status stays is not published each time', async () => {
  let count = 0;
  const probe: RunProbe = async (): Promise<CheckResult> => ({ status: 'passing', output: `answer ${++count}` });
  const { source, local, get, health, stop } = open({ probe });
  let told = 0;
  source.say([
    registration('u', { checks: [check('c', { type: 'tcp', host: '', port: 1, intervalMs: 5, timeoutMs: 9 })] }),
  ]);
  await until('it passes', () => health('u') === 'passing');
  local.onChange(() => told++);
  const before = get('u');
  await until('it has been looked at often', () => count > 20);
  assert.equal(told, 0);
  assert.equal(get('u'), before);
  stop();
});

test('an output is cut where the catalog has no room for more, and not within a character', () => {
  assert.equal(shortened('short'), 'short');
  assert.equal(shortened(`${'x'.repeat(4095)}é`), 'x'.repeat(4095));
  assert.equal(Buffer.byteLength(shortened('é'.repeat(4000))), 4096);
});
