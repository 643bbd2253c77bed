import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Cluster } from '../cluster/index.ts';
import { createLog, systemClock } from '../lib/index.ts';
import type { ClusterReader } from './cluster-reader.ts';
import { EventHub, type EventRequest } from './event-hub.ts';

test('streams that wait for the view count towards the limit', async () => {
  const held = Promise.withResolvers<never>();
  const view = { subscribe: () => {}, hold: () => held.promise };
  const hub = new EventHub({
    reader: { view } as unknown as ClusterReader,
    cluster: {} as Cluster,
    health: undefined,
    clock: systemClock,
    log: createLog(() => {}),
    closing: new AbortController().signal,
  });
  const { signal } = new AbortController();
  const request: EventRequest = { history: 0, happened: false, withUnits: true, withServices: false, signal };
  const open = () => hub.open(request).catch((error: Error) => error.message);
  const opened = Array.from({ length: 1001 }, open);
  held.reject(new Error('the store is away'));
  const messages = await Promise.all(opened);
  assert.equal(messages.pop(), '1000 event streams are open on this fleetd, which is its limit');
  assert.deepEqual(new Set(messages), new Set(['the store is away']));
  assert.equal(await open(), 'the store is away', 'those that failed count no more');
});
