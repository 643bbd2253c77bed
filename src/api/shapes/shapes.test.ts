import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assertPromised } from '../assert-promised.ts';
import type { Handlers } from '../call-handlers.ts';
import { readBodyAs } from '../read-body-as.ts';
import type { ApiUnit, CallAt, JsonOf, PathOf } from './index.ts';
import { DOCUMENTED } from './table.ts';
import { unitPut } from './unit.ts';
import type { unitStateCalls } from './unit-state.ts';

const URL = 'http://127.0.0.1/fleet/v1';
const received = (status: number, json: unknown) => ({ status, json, text: JSON.stringify(json) });

test('the table holds responses to their status, fields and errors', () => {
  const machine = { id: 'a', primaryIP: '::1', metadata: {} };
  const page = (more: object) => received(200, { machines: [{ ...machine, ...more }] });
  assertPromised('GET', `${URL}/machines`, page({}));
  assert.throws(() => assertPromised('GET', `${URL}/machines`, page({ colour: 'red' })), /colour/);
  assert.throws(() => assertPromised('GET', `${URL}/machines`, page({ metadata: { a: 1 } })), /metadata/);
  assert.throws(() => assertPromised('GET', `${URL}/machines`, { ...page({}), status: 201 }), /no such status/);
  const missing = received(404, { error: { code: 404, message: 'no' } });
  assertPromised('GET', `${URL}/state/a.service`, missing);
  assert.throws(() => assertPromised('GET', `${URL}/state`, missing), /promises invalid/);
  assert.throws(() => assertPromised('GET', `${URL}/state/a.service`, received(404, {})), /error/);
});

test('every call has a path and an id of its own', () => {
  const calls = Object.values(DOCUMENTED).flatMap((group) => Object.values(group));
  const places = calls.map(({ method, path }) => `${method} ${path}`);
  assert.deepEqual(places.toSorted(), [...new Set(places)].toSorted());
  const ids = calls.map(({ id }) => id);
  assert.deepEqual(ids.toSorted(), [...new Set(ids)].toSorted());
});

test('what the table does not have does not compile', () => {
  const path: PathOf<'GET'> = 'units/{unitName}/why';
  // @ts-expect-error: no call has this path.
  const unknownPath: PathOf<'GET'> = 'units/{unitName}/whi';
  // @ts-expect-error: a path has only the methods that its calls have.
  const unknownMethod: PathOf<'PUT'> = 'machines';
  const unit: ApiUnit = { name: 'a', options: [], desiredState: 'loaded' } satisfies JsonOf<
    CallAt<'GET', 'units/{unitName}'>
  >;
  // @ts-expect-error: nobody changes what was read.
  unit.name = 'b';
  // @ts-expect-error: a call without a handler.
  const handlers: Handlers<typeof unitStateCalls> = { List: () => ({ states: [] }) };
  // @ts-expect-error: a response of another shape.
  const wrong: Handlers<typeof unitStateCalls>['List'] = () => ({ states: [{ name: 'a' }] });
  assert.ok([path, unknownPath, unknownMethod, unit, handlers, wrong]);
});

test('a body is read as Go reads it', () => {
  const read = readBodyAs(unitPut, { NAME: null, Options: [{ Section: 'A', name: 'B', VALUE: null }], other: 1 });
  assert.deepEqual(read, { name: '', submitted: '', options: [{ section: 'A', name: 'B', value: '' }] });
});
