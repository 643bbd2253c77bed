import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseGoDuration } from '../lib/index.ts';
import { ConsulError } from './exchange.ts';
import { readCheck, readRegistration } from './registration-body.ts';

const named = (over: object) => readRegistration({ Name: 'web', ...over });

test("what a registration leaves out has Consul's defaults", () => {
  assert.deepEqual(named({}), {
    id: 'web',
    name: 'web',
    address: '',
    port: 0,
    tags: [],
    meta: {},
    weights: { passing: 1, warning: 1 },
    enableTagOverride: false,
    routes: [],
    checks: [],
  });
});

test('512 checks are read, and one more is refused', () => {
  const checks = (count: number) => Array.from({ length: count }, () => ({ TTL: '10s' }));
  assert.equal(named({ Checks: checks(512) }).checks.length, 512);
  const tooMany = { status: 400, message: 'Too many checks: 513, at most 512 fit; register fewer' };
  assert.throws(() => named({ Checks: checks(513) }), tooMany);
  assert.throws(() => named({ Check: { TTL: '10s' }, Checks: checks(512) }), tooMany);
});

const PACE = { intervalMs: 5000, timeoutMs: 10_000 };
const CHECKS: readonly (readonly [check: object, probe: object])[] = [
  [{ TTL: '1m30s' }, { type: 'ttl', ttlMs: 90_000 }],
  [
    { tcp: 'db:5432', interval: '5s' },
    { type: 'tcp', host: 'db', port: 5432, ...PACE },
  ],
  [
    { TCP: '[::1]:80', Interval: 5e9, Timeout: '1s' },
    { type: 'tcp', host: '::1', port: 80, intervalMs: 5000, timeoutMs: 1000 },
  ],
  [
    { TCP: 'db:1', Interval: '1ns', Timeout: '0s' },
    { type: 'tcp', host: 'db', port: 1, intervalMs: 1000, timeoutMs: 10_000 },
  ],
  [
    { HTTP: 'https://web/health', Method: 'HEAD', TLSSkipVerify: true, Header: { 'X-A': ['1'] }, Interval: '5s' },
    {
      type: 'https',
      url: 'https://web/health',
      method: 'HEAD',
      headers: { 'X-A': ['1'] },
      body: '',
      verify: false,
      ...PACE,
    },
  ],
  [
    { GRPC: 'web:90/one', GRPCUseTLS: true, Interval: '5s' },
    { type: 'grpc', host: 'web', port: 90, service: 'one', tls: true, verify: true, ...PACE },
  ],
  [
    { Args: ['true'], Interval: '5s' },
    { type: 'script', args: ['true'], env: {}, ...PACE },
  ],
  [
    { script_args: ['true'], interval: '5s' },
    { type: 'script', args: ['true'], env: {}, ...PACE },
  ],
];

for (const [check, probe] of CHECKS) {
  test(`a check ${JSON.stringify(check)}`, () => {
    const [read] = named({ Check: check }).checks;
    assert.deepEqual(read!.probe, probe);
    assert.deepEqual([read!.id, read!.name, read!.status], ['service:web', "Service 'web' check", 'critical']);
  });
}

test('several checks are numbered, and a service leaves no sooner than after a minute', () => {
  const { checks } = named({
    Checks: [{ TTL: '1s' }, { TTL: '2s', Status: 'passing', DeregisterCriticalServiceAfter: '1s' }],
  });
  assert.deepEqual(
    checks.map(({ id }) => id),
    ['service:web:1', 'service:web:2'],
  );
  assert.equal(checks[1]!.deregisterAfterMs, 60_000);
});

test('whatever is sent, it is read or refused with a sentence', () => {
  const keys = fc.constantFrom(
    'Name',
    'ID',
    'Port',
    'Tags',
    'Check',
    'Checks',
    'Meta',
    'Weights',
    'Interval',
    'TTL',
    'HTTP',
    'TCP',
    'GRPC',
    'Args',
  );
  const json = fc.letrec((tie) => ({
    value: fc.oneof(
      { depthSize: 'small' },
      fc.string(),
      fc.double(),
      fc.integer(),
      fc.boolean(),
      fc.constant(null),
      fc.array(tie('value')),
      fc.dictionary(keys, tie('value')),
    ),
  })).value;
  const tryTo = (read: () => unknown) => {
    try {
      read();
    } catch (error) {
      assert.ok(error instanceof ConsulError, String(error));
      assert.ok(error.message.length > 10);
    }
  };
  fc.assert(
    fc.property(fc.dictionary(keys, json), (body) => {
      tryTo(() => readRegistration(body));
      tryTo(() => readCheck(body, { id: 'i', name: 'n' }));
    }),
    { numRuns: 1000 },
  );
});

test("durations are Go's", () => {
  const cases: readonly (readonly [string, number | undefined])[] = [
    ['10s', 10_000],
    ['1h2m3.5s', 3_723_500],
    ['60000ms', 60_000],
    ['0', 0],
    ['5', undefined],
    ['', undefined],
    ['1 s', undefined],
    ['-1s', undefined],
  ];
  for (const [text, ms] of cases) assert.equal(parseGoDuration(text), ms, text);
});
