import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, before, test } from 'node:test';
import { NO_NEEDS, type Unit } from '../model/index.ts';
import type { ApiEvent } from './shapes/index.ts';
import { SseReader } from './sse-reader.ts';
import { ask, eventually, joinMachine, open, openTestApi, place, report, type TestApi } from './test-api.ts';

let api: TestApi;
before(async () => {
  api = await openTestApi();
});
after(() => api.close());

const TEXT = '[Unit]\nDescription=A test\n';
const unit = (name: string, more: Partial<Unit> = {}): Unit => ({
  name,
  hash: 'h1',
  desired: 'inactive',
  needs: NO_NEEDS,
  ...more,
});
const create = (name: string, more: Partial<Unit> = {}) => api.cluster.putUnit(unit(name, more), TEXT, undefined);
const events = (query = '') => `${api.url}/fleet/v1/events${query}`;
const shown = (event: ApiEvent | undefined) => (event?.type === 'unit' ? event.unit : undefined);
const isReady = ({ type }: ApiEvent) => type === 'ready';
const isUnit = (name: string, matches: (event: Extract<ApiEvent, { type: 'unit' }>) => boolean) => (event: ApiEvent) =>
  event.type === 'unit' && event.name === name && matches(event);
const unitNames = (list: readonly ApiEvent[]) =>
  list.filter(({ type }) => type === 'unit').map((event) => 'name' in event && event.name);

test('a stream begins with every unit, then is ready, then tells changes', async () => {
  await create('a.service');
  await create('b.service', { desired: 'launched' });
  const stream = await SseReader.open(events());
  const snapshot = await stream.until(isReady);
  assert.deepEqual(unitNames(snapshot), ['a.service', 'b.service']);
  assert.equal(stream.messages.filter(({ id }) => id !== undefined).length, 1, 'only ready carries an id');
  const b = snapshot[1] as Extract<ApiEvent, { type: 'unit' }>;
  assert.equal(b.unit?.desiredState, 'launched');
  assert.equal(b.unit?.description, 'A test');
  await api.cluster.setDesired('a.service', 'loaded');
  const changed = (await stream.next()) as Extract<ApiEvent, { type: 'unit' }>;
  assert.deepEqual([changed.name, changed.unit?.desiredState], ['a.service', 'loaded']);
  await api.cluster.destroyUnit('a.service');
  assert.deepEqual(await stream.next(), {
    type: 'unit',
    revision: changed.revision + 1,
    name: 'a.service',
    unit: null,
  });
  await api.cluster.destroyUnit('b.service');
  await stream.next();
  stream.close();
});

test('named units are told of whether they exist or not, and no others', async () => {
  await create('c.service');
  const stream = await SseReader.open(events('?unit=c.service&unit=none.service'));
  const snapshot = await stream.until(isReady);
  assert.deepEqual(unitNames(snapshot), ['c.service', 'none.service']);
  assert.equal((snapshot[1] as { unit: unknown }).unit, null);
  await create('other.service');
  await create('none.service');
  assert.equal(((await stream.next()) as { name: string }).name, 'none.service');
  for (const name of ['c.service', 'other.service', 'none.service']) await api.cluster.destroyUnit(name);
  stream.close();
});

test('many changes at once come as few events, the last of which is the newest state', async () => {
  await create('fold.service');
  const stream = await SseReader.open(events('?unit=fold.service'));
  await stream.until(isReady);
  for (let i = 0; i < 60; i++) await api.cluster.setDesired('fold.service', i % 2 === 0 ? 'loaded' : 'inactive');
  await api.cluster.setDesired('fold.service', 'launched');
  await eventually('the newest state', () => {
    const last = stream.messages.at(-1)?.event;
    return last?.type === 'unit' && last.unit?.desiredState === 'launched' ? true : undefined;
  });
  assert.ok(stream.messages.length <= 63);
  await api.cluster.destroyUnit('fold.service');
  stream.close();
});

test('placements, reports and machines that go are changes of the unit', async () => {
  const id = '5'.repeat(32);
  await create('p.service', { desired: 'launched' });
  const stream = await SseReader.open(events('?unit=p.service'));
  await stream.until(isReady);
  const machine = await joinMachine(api.cluster, id, { address: '10.0.0.5' });
  await place(api.cluster, machine, [{ unit: 'p.service', hash: 'h1' }]);
  const placed = await stream.until(isUnit('p.service', ({ unit }) => unit!.placements.length === 1));
  assert.equal(shown(placed.at(-1))?.placements[0]?.address, '10.0.0.5');
  await report(api.cluster, machine, [{ unit: 'p.service', hash: 'h1' }]);
  await stream.until(isUnit('p.service', ({ unit }) => unit!.currentState === 'launched'));
  await machine.lease.revoke();
  const gone = await stream.until(isUnit('p.service', ({ unit }) => unit!.placements[0]?.address === ''));
  assert.equal(shown(gone.at(-1))?.currentState, 'inactive');
  await api.cluster.destroyUnit('p.service');
  await stream.until(isUnit('p.service', ({ unit }) => unit === null));
  const before = stream.messages.length;
  const again = await joinMachine(api.cluster, id);
  await report(api.cluster, again, [{ unit: 'p.service', hash: 'h1' }]);
  await again.lease.revoke();
  await create('p.service');
  await stream.until(isUnit('p.service', ({ unit }) => unit !== null));
  assert.equal(stream.messages.length, before + 1, 'what is left of a destroyed unit is no event');
  await api.cluster.destroyUnit('p.service');
  stream.close();
});

test('a resumed stream tells each unit changed since, once, also one that is gone', async () => {
  for (const name of ['r1.service', 'r2.service', 'r3.service']) await create(name);
  const first = await SseReader.open(events());
  await first.until(isReady);
  await api.cluster.setDesired('r1.service', 'loaded');
  await first.next();
  const id = first.lastId!;
  first.close();
  await api.cluster.setDesired('r2.service', 'loaded');
  await api.cluster.setDesired('r2.service', 'launched');
  await api.cluster.destroyUnit('r3.service');
  for (const resume of [
    await SseReader.open(events(`?after=${id}`)),
    await SseReader.open(events(), { 'last-event-id': id }),
  ]) {
    const missed = await resume.until(isReady);
    assert.deepEqual(
      missed.map((event) => (event.type === 'unit' ? [event.name, event.unit?.desiredState] : event.type)),
      [['r2.service', 'launched'], ['r3.service', undefined], 'ready'],
    );
    resume.close();
  }
  const current = await SseReader.open(events(`?after=${Number(id) + 3}`));
  assert.deepEqual(
    (await current.until(isReady)).map(({ type }) => type),
    ['ready'],
  );
  current.close();
});

test('a client that loses its stream again and again misses nothing', async () => {
  const names = Array.from({ length: 20 }, (_, i) => `loss-${i}.service`);
  await Promise.all(names.map((name) => create(name)));
  const known = new Map<string, string | undefined>();
  let id: string | undefined;
  const writer = (async () => {
    for (let round = 0; round < 40; round++) {
      const name = names[(round * 7) % names.length]!;
      await api.cluster.setDesired(name, round % 3 === 0 ? 'loaded' : 'launched');
    }
    return true;
  })();
  for (let done = false, rounds = 0; !done || rounds < 3; rounds++) {
    done = await Promise.race([writer, new Promise<false>((resolve) => setImmediate(() => resolve(false)))]);
    const stream = await SseReader.open(events(id === undefined ? '' : `?after=${id}`));
    await stream.until(isReady);
    stream.close();
    for (const { event } of stream.messages) if (event.type === 'unit') known.set(event.name, event.unit?.desiredState);
    id = stream.lastId ?? id;
  }
  const { json } = await ask(`${api.url}/fleet/v1/units?all=true`);
  for (const { name, desiredState } of json.units) assert.equal(known.get(name), desiredState, name);
});

test('an id that this server cannot resume from begins anew and says so', async () => {
  for (const id of ['1', '999999999']) {
    const stream = await SseReader.open(events(`?unit=loss-1.service&after=${id}`));
    assert.deepEqual(
      (await stream.until(isReady)).map(({ type }) => type),
      ['reset', 'unit', 'ready'],
    );
    stream.close();
  }
  for (const query of ['?after=x', '?history=-1', '?after=1.5']) assert.equal((await ask(events(query))).status, 400);
});

test('what happened is told in words, from history and live', async () => {
  const id = '6'.repeat(32);
  await create('w.service', { desired: 'launched' });
  const machine = await joinMachine(api.cluster, id, { address: '10.0.0.6' });
  await place(api.cluster, machine, [{ unit: 'w.service', hash: 'h1' }]);
  await report(api.cluster, machine, [{ unit: 'w.service', hash: 'h1' }]);
  const stream = await SseReader.open(events('?history=5&happened=true&units=false'));
  const past = await stream.until(isReady);
  const sentences = (list: readonly ApiEvent[]) =>
    list.map((event) => ('sentence' in event ? event.sentence : event.type));
  assert.deepEqual(sentences(past), [
    'w.service was submitted, to be launched',
    '66666666.../10.0.0.6 joined the cluster',
    '66666666.../10.0.0.6 leads the cluster now',
    'w.service was placed on 66666666.../10.0.0.6: fewest units',
    'w.service is active (running) on 66666666.../10.0.0.6',
    'ready',
  ]);
  const last = stream.lastId!;
  await api.cluster.setDesired('w.service', 'loaded');
  const live = await stream.next();
  assert.deepEqual(sentences([live]), ['w.service is to be loaded instead of launched']);
  assert.ok('atMs' in live && live.atMs! > 0);
  stream.close();
  await machine.lease.revoke();
  const resumed = await SseReader.open(events(`?happened=true&units=false&after=${last}`));
  const missed = sentences(await resumed.until(isReady));
  assert.equal(missed[0], 'w.service is to be loaded instead of launched');
  assert.ok(
    missed.some((sentence) => sentence.startsWith('66666666.../10.0.0.6 is gone: its lease ended')),
    missed.join(),
  );
  resumed.close();
  const named = await SseReader.open(events('?history=50&unit=w.service&units=false'));
  assert.ok((await named.until(isReady)).every((event) => event.type !== 'happened' || event.name === 'w.service'));
  named.close();
});

test('ready tells that older events were left out by the limit, to who asked for them', async () => {
  await create('many.service');
  for (let i = 0; i < 1001; i++) await api.cluster.setDesired('many.service', i % 2 ? 'loaded' : 'launched');
  const limited = async (query: string) => {
    const stream = await SseReader.open(events(`?units=false&unit=many.service&${query}`));
    const past = await stream.until(isReady);
    stream.close();
    const ready = past.at(-1);
    return [past.length - 1, ready?.type === 'ready' && ready.limited];
  };
  assert.deepEqual(await limited('history=5000'), [1000, true]);
  assert.deepEqual(await limited('history=1000&since=0'), [1000, true]);
  assert.deepEqual(await limited('history=1000'), [1000, undefined]);
  await create('few.service');
  const few = await SseReader.open(events('?units=false&unit=few.service&history=5000'));
  assert.ok((await few.until(isReady)).every((event) => !('limited' in event)));
  few.close();
});

test('a client that does not read costs no more than it is owed, and catches up', async () => {
  const response = await open(events());
  response.pause();
  const names = Array.from({ length: 50 }, (_, i) => `slow-${i}.service`);
  for (const name of names) await create(name);
  for (let round = 0; round < 5; round++) {
    for (const name of names) await api.cluster.setDesired(name, round % 2 === 0 ? 'loaded' : 'launched');
  }
  await api.cluster.setDesired(names[0]!, 'inactive');
  let text = '';
  response.setEncoding('utf8');
  response.on('data', (chunk: string) => {
    text += chunk;
  });
  response.resume();
  await eventually('the newest state of all', () => {
    const last = text.lastIndexOf('"name":"slow-0.service"');
    return text.slice(last).includes('"desiredState":"inactive"') || undefined;
  });
  response.destroy();
  await eventually('the stream is forgotten', async () => {
    const { text: metrics } = await ask(`${api.url}/metrics`);
    return /^fleet_api_event_streams 0$/m.test(metrics) || undefined;
  });
});

test('closing the API ends streams at once', async () => {
  const other = await openTestApi();
  const response = await open(`${other.url}/fleet/v1/events`);
  const ended = once(response.resume(), 'close');
  await other.served.close();
  await ended;
  // After a moment all connections are cut: such a stream would lack its end.
  assert.equal(response.complete, true);
  await other.close();
});
