import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import { test } from 'node:test';
import { type Begin, unlessAborted, within } from './within.ts';

const stopped = new Error('stopped');

/** What is set up and taken down, and the ways to settle it. */
function settable<T>() {
  const calls: string[] = [];
  let settle!: { resolve: (value: T) => void; reject: (error: unknown) => void };
  const begin: Begin<T> = (resolve, reject) => {
    calls.push('begun');
    settle = { resolve, reject };
    return () => calls.push('taken down');
  };
  return {
    calls,
    begin,
    resolve: (value: T) => settle.resolve(value),
    reject: (error: unknown) => settle.reject(error),
  };
}

test('it settles as it is told, once, and leaves no listener', async () => {
  const { signal } = new AbortController();
  for (const wait of [within, unlessAborted]) {
    const one = settable<number>();
    const promise = wait(signal, one.begin);
    assert.equal(getEventListeners(signal, 'abort').length, 1);
    one.resolve(7);
    one.reject(new Error('too late'));
    assert.equal(await promise, 7);
    assert.deepEqual(one.calls, ['begun', 'taken down']);
    const other = settable<number>();
    const failing = wait(signal, other.begin);
    other.reject(stopped);
    await assert.rejects(failing, stopped);
    assert.deepEqual(other.calls, ['begun', 'taken down']);
    assert.equal(getEventListeners(signal, 'abort').length, 0);
  }
});

test('the signal ends it: with its reason, or with undefined', async () => {
  for (const wait of [within, unlessAborted]) {
    const ending = new AbortController();
    const one = settable<number>();
    const promise = wait(ending.signal, one.begin);
    ending.abort(stopped);
    one.resolve(7);
    if (wait === within) await assert.rejects(promise, stopped);
    else assert.equal(await promise, undefined);
    assert.deepEqual(one.calls, ['begun', 'taken down']);
    const late = settable<number>();
    const refused = wait(ending.signal, late.begin);
    if (wait === within) await assert.rejects(refused, stopped);
    else assert.equal(await refused, undefined);
    assert.deepEqual(late.calls, [], 'nothing is set up under a signal that is aborted already');
  }
});

test('what settles while it is set up is taken down as well', async () => {
  const { signal } = new AbortController();
  let takenDown = 0;
  const promise = within<string>(signal, (resolve) => {
    resolve('at once');
    return () => takenDown++;
  });
  assert.equal(await promise, 'at once');
  assert.equal(takenDown, 1);
  assert.equal(getEventListeners(signal, 'abort').length, 0);
  await assert.rejects(
    within(signal, () => {
      throw stopped;
    }),
    stopped,
  );
  assert.equal(getEventListeners(signal, 'abort').length, 0);
});
