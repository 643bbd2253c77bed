import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ApiWhy } from '../client/index.ts';
import { failureFacts, obstacles } from './explain-unit.ts';

const WHY: ApiWhy = {
  name: 'a.service',
  desiredState: 'launched',
  placements: [],
  machines: [],
  summary: 'not placed: none of 3 machines qualifies',
};

function refused(id: string, reason: string): ApiWhy['machines'][number] {
  return { machineID: id, address: '127.0.1.1', units: 0, reason };
}

test('why a unit waits is one clause, and each reason once', () => {
  assert.deepEqual(obstacles(WHY), { clause: 'none of 3 machines qualifies', reasons: [] });
  const machines = [
    refused('11111111aa', 'no region=eu'),
    refused('22222222aa', 'conflicts with b.service'),
    refused('33333333aa', 'no region=eu'),
    { machineID: '44444444aa', address: '', units: 0 },
  ];
  assert.deepEqual(obstacles({ ...WHY, machines }).reasons, [
    '11111111..., 33333333...: no region=eu',
    '22222222...: conflicts with b.service',
  ]);
  const many = ['1', '2', '3', '4'].map((id) => refused(id, 'no region=eu'));
  assert.deepEqual(obstacles({ ...WHY, machines: many }).reasons, ['4 machines: no region=eu']);
  const all = Array.from({ length: 9 }, (_, i) => refused(String(i), `reason ${i}`));
  assert.deepEqual(obstacles({ ...WHY, machines: all }).reasons.slice(4), [
    '4...: reason 4',
    'more: fleetctl why a.service',
  ]);
  assert.equal(obstacles({ ...WHY, summary: '' }).clause, 'no machine has taken it');
});

test('what systemctl says of a failure is told in its words', () => {
  const text = `× a.service - A
     Loaded: loaded (/run/fleet/units/a.service; linked-runtime)
     Active: failed (Result: exit-code) since Thu 2024-01-04 10:00:00 UTC; 1s ago
    Process: 41 ExecStartPre=/bin/true (code=exited, status=0/SUCCESS)
    Process: 42 ExecStart=/nowhere (code=exited, status=203/EXEC)
   Main PID: 42 (code=exited, status=203/EXEC)`;
  assert.equal(failureFacts(text), ' (Result: exit-code, status=203/EXEC)');
  assert.equal(failureFacts('     Active: active (running)'), '');
});
