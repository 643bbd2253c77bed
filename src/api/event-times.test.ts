import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { NO_NEEDS, type Unit } from '../model/index.ts';
import type { ApiEvent, ApiHappened } from './shapes/index.ts';
import { SseReader } from './sse-reader.ts';
import { ask, eventually, joinMachine, openTestApi, place, report, type TestApi } from './test-api.ts';

let api: TestApi;
before(async () => {
  api = await openTestApi();
});
after(() => api.close());

const [LEADER, OTHER] = ['1', '2'].map((digit) => digit.repeat(32)) as [string, string];
const unit = (name: string): Unit => ({ name, hash: 'h1', desired: 'launched', needs: NO_NEEDS });
const isReady = ({ type }: ApiEvent) => type === 'ready';
const isHappened = (event: ApiEvent): event is ApiHappened => event.type === 'happened';

async function past(query: string, url = api.url): Promise<ApiHappened[]> {
  const stream = await SseReader.open(`${url}/fleet/v1/events?units=false&${query}`);
  const events = await stream.until(isReady);
  stream.close();
  return events.filter(isHappened);
}

test('an event has one time and one revision, live and in every later call, on every machine', async () => {
  const live = await SseReader.open(`${api.url}/fleet/v1/events?units=false&happened=true`);
  await live.until(isReady);
  const leader = await joinMachine(api.cluster, LEADER, { address: '10.0.0.1', name: 'one', leaving: false });
  const other = await joinMachine(api.cluster, OTHER, { address: '10.0.0.2', name: 'two', leaving: false });
  await place(api.cluster, leader, []);
  const leadership = (await api.cluster.campaign(LEADER, leader.lease))!;
  await api.cluster.putUnit(unit('a.service'), '', undefined);
  const put = { unit: 'a.service', machine: OTHER, hash: 'h1', desired: 'launched', reason: 'fewest units' } as const;
  await leadership.place([{ put }]);
  await report(api.cluster, other, [{ unit: 'a.service', hash: 'h1' }]);
  const failed = { active: 'failed', sub: 'failed', exit: { result: 'exit-code', status: 3 } };
  await report(api.cluster, other, [{ unit: 'a.service', hash: 'h1', ...failed }]);
  await api.cluster.setDesired('a.service', 'loaded');
  await report(api.cluster, other, [{ unit: 'a.service', hash: 'h1', active: 'inactive', sub: 'dead' }]);
  await other.lease.revoke();
  await leadership.noteLost(OTHER);
  await leadership.place([{ remove: { unit: 'a.service', machine: OTHER } }]);
  await api.cluster.destroyUnit('a.service');

  const told = await live.until((event) => 'kind' in event && event.kind === 'unit-destroyed');
  const events = told.filter(isHappened);
  const elsewhere = await openTestApi({ on: api });
  const calls = [await past('history=1000'), await past('history=1000'), await past('history=1000', elsewhere.url)];
  await elsewhere.served.close();
  for (const call of calls) assert.deepEqual(call, events);
  assert.ok(events.every(({ atMs, approximate }) => atMs !== undefined && approximate === undefined));
  const revisions = events.map(({ revision }) => revision);
  assert.deepEqual(
    revisions,
    revisions.toSorted((a, b) => a - b),
  );
  const ofUnit = events.filter((event) => event.unit === 'a.service');
  assert.deepEqual(
    ofUnit.map(({ kind, reason, exitStatus }) => [kind, reason, exitStatus]),
    [
      ['unit-submitted', undefined, undefined],
      ['unit-placed', 'fewest units', undefined],
      ['unit-state', undefined, undefined],
      ['unit-state', 'exit status 3', 3],
      ['unit-changed', undefined, undefined],
      ['unit-state', 'stopped by its desired state, loaded', undefined],
      ['unit-unreported', 'the machine is gone', undefined],
      ['unit-unplaced', undefined, undefined],
      ['unit-destroyed', undefined, undefined],
    ],
  );
  assert.equal(new Set(ofUnit.map(({ revision }) => revision)).size, ofUnit.length);
  assert.deepEqual(events.find(({ kind }) => kind === 'machine-lost')?.machine, {
    id: OTHER,
    hostname: 'two',
    address: '10.0.0.2',
  });
  live.close();
  await leader.lease.revoke();
});

test('events are picked by time and by machine', async () => {
  const all = await past('history=1000');
  const some = all[3]!.atMs!;
  const later = await past(`history=1000&since=${some}`);
  assert.deepEqual(
    later,
    all.filter(({ atMs }) => atMs! >= some),
  );
  assert.deepEqual(
    await past(`history=1000&until=${some}`),
    all.filter(({ atMs }) => atMs! <= some),
  );
  const there = await past(`history=1000&machine=${OTHER}`);
  assert.deepEqual(
    there,
    all.filter(({ machine }) => machine?.id === OTHER),
  );
  assert.equal((await ask(`${api.url}/fleet/v1/events?since=x`)).status, 400);
});

test('what nobody dated waits for the next time, and a resumed stream is told of it again', async () => {
  const machine = await joinMachine(api.cluster, OTHER, { leaving: false });
  const stream = await SseReader.open(`${api.url}/fleet/v1/events?units=false&happened=true`);
  await stream.until(isReady);
  await machine.lease.revoke();
  await api.cluster.putUnit(unit('b.service'), '', undefined);
  const [lost, next] = (await stream.until(
    (event) => 'kind' in event && event.kind === 'unit-submitted',
  )) as ApiHappened[];
  assert.deepEqual([lost?.kind, lost?.atMs, lost?.approximate], ['machine-lost', next?.atMs, true]);
  const id = stream.lastId;
  await eventually('the last id', () => Number(id) >= next!.revision || undefined);
  stream.close();
  await api.cluster.destroyUnit('b.service');
});
