import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Backend, Route } from '../route-table.ts';
import { assignSlots, haveSameShape } from './slots.ts';

const backend = (id: string, address: string): Backend => ({ id, machine: 'm1', address, port: 80, weight: 1 });
const route = (...backends: Backend[]): Route => ({ host: 'web.*', path: '/', service: 'web', backends });
const taken = (sections: ReturnType<typeof assignSlots>) => sections[0]!.slots.map((slot) => slot?.id ?? '-').join('');

test('who has a slot keeps it, and who comes takes one that has long been free', () => {
  const [a, b, c] = [backend('a', '10.0.0.1'), backend('b', '10.0.0.2'), backend('c', '10.0.0.3')];
  const first = assignSlots([route(a, b)], []);
  assert.equal(taken(first), 'ab------');
  const second = assignSlots([route(b, c)], first);
  assert.equal(taken(second), '-bc-----');
  assert.ok(haveSameShape(first, second));
  assert.equal(assignSlots([second[0]!.route], second)[0], second[0]);
});

test('an address that is a host name gets no slot', () => {
  const sections = assignSlots([route(backend('a', 'db.example.com'), backend('b', '::1'))], []);
  assert.equal(taken(sections), 'b-------');
});

test('weights beyond what HAProxy takes keep their proportions, and only those', () => {
  const weights = (...given: number[]) => {
    const backends = given.map((weight, at) => ({ ...backend(String(at), `10.0.0.${at}`), weight }));
    return assignSlots([route(...backends)], [])[0]!
      .slots.slice(0, given.length)
      .map((slot) => slot!.weight);
  };
  assert.deepEqual(weights(1, 256), [1, 256]);
  assert.deepEqual(weights(1000, 500, 1), [256, 128, 1]);
  assert.deepEqual(weights(65_535, 65_535), [256, 256]);
});
