import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ApiPlacement, ApiState, ApiUnitSummary } from '../client/index.ts';
import { judge, meets, newMemory, type WaitCondition } from './goals.ts';

const ID = '85c0c595a7f14c3ba1d4a0e3c2f6d8b9';

function summary(desiredState: ApiState, status?: Partial<NonNullable<ApiPlacement['status']>>): ApiUnitSummary {
  const reported = { hash: 'h1', state: desiredState, load: 'loaded', active: 'active', sub: 'running', ...status };
  const placement = { machineID: ID, address: '172.17.8.102', reason: 'it has the fewest units', desiredState };
  return {
    name: 'a.service',
    hash: 'h1',
    description: '',
    desiredState,
    currentState: status ? reported.state : 'inactive',
    global: false,
    placements: desiredState === 'inactive' ? [] : [{ ...placement, ...(status ? { status: reported } : {}) }],
  };
}

const LAUNCHED = { state: 'launched', hash: 'h1' } as const;

test('a started unit is done once it is active and stays so', () => {
  const verdict = judge('a.service', LAUNCHED, summary('launched', {}), newMemory());
  assert.deepEqual(verdict, {
    kind: 'reached',
    line: 'Unit a.service launched on 85c0c595.../172.17.8.102',
    ready: false,
    holdMs: 30,
  });
});

const UNDER_WAY: readonly [what: string, unit: ApiUnitSummary | null][] = [
  ['not there yet', null],
  ['not yet ordered', summary('inactive')],
  ['still with the old file', { ...summary('launched', {}), hash: 'h0' }],
  ['placed and not reported', summary('launched')],
  ['reported with the old file', summary('launched', { hash: 'h0' })],
  ['loaded and not launched', summary('launched', { state: 'loaded', active: 'inactive', sub: 'dead' })],
];

test('a unit on its way is waited for', () => {
  for (const [what, unit] of UNDER_WAY)
    assert.equal(judge('a.service', LAUNCHED, unit, newMemory()).kind, 'waiting', what);
});

test('a one-shot is done when it has ended', () => {
  const working = judge(
    'a.service',
    LAUNCHED,
    summary('launched', { active: 'activating', sub: 'start' }),
    newMemory(),
  );
  assert.ok(working.kind === 'reached' && !working.ready && !working.holdMs);
  const ended = judge('a.service', LAUNCHED, summary('launched', { active: 'inactive', sub: 'dead' }), newMemory());
  assert.ok(ended.kind === 'reached' && ended.ready);
});

test('a one-shot with RunOnce=true is done when it has run, though it is only loaded by then', () => {
  const over = { state: 'loaded', active: 'inactive', sub: 'dead', start: 7 } as const;
  const unit = { ...summary('launched', over), ran: { machineID: ID, atMs: 1 } };
  const ended = judge('a.service', { ...LAUNCHED, before: 5 }, unit, newMemory());
  assert.deepEqual(ended, {
    kind: 'reached',
    line: 'Unit a.service launched on 85c0c595.../172.17.8.102',
    ready: true,
  });
  assert.equal(judge('a.service', { ...LAUNCHED, before: 7 }, unit, newMemory()).kind, 'waiting', 'that was before');
});

test('how an earlier start ended is not taken for the end of the one that was ordered', () => {
  const ordered = { ...LAUNCHED, before: 41 };
  const kindOf = (status: Partial<NonNullable<ApiPlacement['status']>>, goal = ordered) =>
    judge('a.service', goal, summary('launched', status), newMemory()).kind;
  assert.equal(kindOf({ active: 'failed', sub: 'failed', start: 41 }), 'waiting');
  assert.equal(kindOf({ active: 'inactive', sub: 'dead', start: 41 }), 'waiting');
  assert.equal(kindOf({ active: 'failed', sub: 'failed', start: 57 }), 'failed');
  // It was never stopped, since no machine saw the order in time.
  assert.equal(kindOf({ start: 41 }), 'reached');
  // An older fleetd does not number starts.
  assert.equal(kindOf({ active: 'failed', sub: 'failed' }), 'failed');
});

test('a unit that its machine refuses to start has failed', () => {
  const refused = summary('launched', { state: 'loaded', active: 'inactive', note: 'Type=dbus needs systemd' });
  const verdict = judge('a.service', LAUNCHED, refused, newMemory());
  assert.ok(verdict.kind === 'failed');
  assert.match(verdict.because, /could not be started on 85c0c595.*: Type=dbus needs systemd$/);
});

test('a unit that fails names its machine and the reason it knows', () => {
  const failed = summary('launched', { active: 'failed', sub: 'failed', note: 'no such program' });
  const verdict = judge('a.service', LAUNCHED, failed, newMemory());
  assert.ok(verdict.kind === 'failed');
  assert.equal(verdict.because, 'unit a.service failed on 85c0c595.../172.17.8.102: no such program');
  assert.equal(verdict.machineID, ID);
  const bad = judge('a.service', LAUNCHED, summary('launched', { load: 'error', state: 'loaded' }), newMemory());
  assert.ok(bad.kind === 'failed' && /could not be loaded on 85c0c595/.test(bad.because));
});

test('what somebody else does to a unit meanwhile ends the wait', () => {
  for (const [unit, message] of [
    [null, /was destroyed/],
    [summary('inactive'), /was changed by somebody else \(it shall be inactive\)/],
  ] as const) {
    const memory = newMemory();
    assert.equal(judge('a.service', LAUNCHED, summary('launched'), memory).kind, 'waiting');
    const verdict = judge('a.service', LAUNCHED, unit, memory);
    assert.ok(verdict.kind === 'failed' && message.test(verdict.because));
  }
});

test('a stopped unit is done once systemd has stopped it, an unloaded one once it is on no machine', () => {
  const goal = { state: 'loaded' } as const;
  const stopping = judge(
    'a.service',
    goal,
    summary('loaded', { active: 'deactivating', sub: 'stop-sigterm' }),
    newMemory(),
  );
  assert.ok(stopping.kind === 'reached' && !stopping.ready && !stopping.holdMs);
  for (const active of ['inactive', 'failed']) {
    const stopped = judge('a.service', goal, summary('loaded', { active, sub: 'dead' }), newMemory());
    assert.ok(stopped.kind === 'reached' && stopped.ready);
    assert.equal(stopped.line, 'Unit a.service loaded on 85c0c595.../172.17.8.102');
  }
  const inactive = { ...summary('launched', {}), desiredState: 'inactive' as const };
  assert.equal(judge('a.service', { state: 'inactive' }, inactive, newMemory()).kind, 'waiting');
  const gone = judge('a.service', { state: 'inactive' }, summary('inactive'), newMemory());
  assert.ok(gone.kind === 'reached' && gone.ready && gone.line === 'Unit a.service inactive');
});

test('wait --for', () => {
  const active = summary('launched', {});
  const dead = summary('launched', { active: 'inactive', sub: 'dead' });
  const half = { ...active, placements: [...active.placements, ...dead.placements] };
  const cases: readonly [condition: WaitCondition, unit: ApiUnitSummary | null, met: boolean][] = [
    ['gone', null, true],
    ['gone', active, false],
    ['active', active, true],
    ['active', dead, false],
    ['active', half, false],
    ['active', null, false],
    ['active', summary('launched'), false],
    ['loaded', active, true],
    ['loaded', dead, true],
    ['loaded', summary('launched'), false],
    ['loaded', null, false],
    ['inactive', dead, true],
    ['inactive', active, false],
    ['inactive', half, false],
    ['inactive', summary('inactive'), true],
    ['inactive', { ...summary('launched'), placements: [] }, false],
    ['inactive', summary('launched'), false],
    ['inactive', { ...summary('loaded'), placements: [] }, true],
    ['inactive', null, false],
  ];
  for (const [condition, unit, met] of cases) {
    assert.equal(meets(condition, unit), met, `${condition} ${JSON.stringify(unit?.placements)}`);
  }
});
