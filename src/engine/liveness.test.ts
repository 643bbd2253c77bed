import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Liveness } from './liveness.ts';

const TTL = 5000;

test('a machine that joined while being watched is dead as soon as it is gone', () => {
  const liveness = new Liveness(TTL, 0);
  liveness.joined('m1', 100);
  assert.equal(liveness.isDead('m1', 150), false);
  liveness.gone('m1', 200);
  assert.equal(liveness.isDead('m1', 201), true);
});

test('a machine whose record outlasted a TTL is dead as soon as it is gone', () => {
  const liveness = new Liveness(TTL, 0);
  liveness.found('m1', 0);
  liveness.gone('m1', TTL + 1);
  assert.equal(liveness.isDead('m1', TTL + 2), true);
});

test('a machine whose record ends within a TTL is not dead yet: it may be coming back after a power cut', () => {
  const liveness = new Liveness(TTL, 0);
  liveness.found('m1', 0);
  liveness.gone('m1', TTL - 1);
  assert.equal(liveness.isDead('m1', TTL), false);
  assert.equal(liveness.isDead('m1', liveness.graceEndsMs()), true);
});

test('a machine that was never seen is given time to come back, once', () => {
  const liveness = new Liveness(TTL, 1000);
  assert.equal(liveness.isDead('m1', 1000), false);
  assert.equal(liveness.isDead('m1', 1000 + 1.25 * TTL), true);
});

test('a machine that has come back is alive', () => {
  const liveness = new Liveness(TTL, 0);
  liveness.joined('m1', 0);
  liveness.gone('m1', 10);
  liveness.joined('m1', 20);
  assert.equal(liveness.isDead('m1', 10 * TTL), false);
});
