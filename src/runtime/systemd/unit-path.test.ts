import assert from 'node:assert/strict';
import { test } from 'node:test';
import { unitOfPath } from './unit-path.ts';

const PATHS: readonly (readonly [path: string, unit: string])[] = [
  ['hello_2eservice', 'hello.service'],
  ['a_5fb_40_2dx_3a1_2esocket', 'a_b@-x:1.socket'],
  ['_31_2eservice', '1.service'],
  ['dev_2dsda_5cx2d_2edevice', 'dev-sda\\x2d.device'],
  ['_ff_2eservice', ''],
];

for (const [path, unit] of PATHS)
  test(`${path} is ${JSON.stringify(unit)}`, () =>
    assert.equal(unitOfPath(`/org/freedesktop/systemd1/unit/${path}`), unit));
