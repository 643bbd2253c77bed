import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { readUnit } from './read-unit.ts';
import type { UnitSpec } from './unit-spec.ts';

const FACTS = { machineId: 'm', bootId: 'b', hostname: 'h', runtimeDirectory: '/run' };

function read(name: string, text: string): UnitSpec {
  const spec = readUnit(name, text, FACTS);
  if (typeof spec === 'string') assert.fail(spec);
  return spec;
}

function refusal(name: string, text: string): string {
  const spec = readUnit(name, text, FACTS);
  if (typeof spec !== 'string') assert.fail('it was accepted');
  return spec;
}

test('a service has systemd’s defaults', () => {
  const spec = read('a.service', '[Service]\nExecStart=/bin/true\n');
  assert.equal(spec.description, 'a.service');
  assert.deepEqual(spec.startLimit, { intervalMs: 10_000, burst: 5 });
  const { service } = spec;
  assert.equal(service!.type, 'simple');
  assert.deepEqual([service!.timeoutStartMs, service!.timeoutStopMs, service!.restartMs], [90_000, 90_000, 100]);
  assert.deepEqual([service!.kill.mode, service!.kill.signal, service!.kill.finalSignal], ['control-group', 15, 9]);
  assert.deepEqual([service!.context.stdout.to, service!.context.stderr.to], ['journal', 'inherit']);
});

test('a later line replaces or adds to an earlier one, an empty one clears', () => {
  const text = `[Unit]
Requires=a.service
Requires=b.service c.service
After=x.service
After=
After=%p-db.service
[Service]
Type=oneshot
ExecStart=/bin/a
ExecStart=
ExecStart=/bin/b \\
  two
ExecStart=/bin/c
Environment=A=1 "B=2 3"
Environment=C=%i
TimeoutStartSec=0
TimeoutStopSec=1min
KillSignal=SIGINT
SuccessExitStatus=1 SIGKILL TEMPFAIL`;
  const spec = read('web@blue.service', text);
  assert.deepEqual(spec.dependencies.Requires, ['a.service', 'b.service', 'c.service']);
  assert.deepEqual(spec.dependencies.After, ['web-db.service']);
  const service = spec.service!;
  assert.deepEqual(
    service.exec.ExecStart.map(({ path, args }) => [path, ...args]),
    [['/bin/b', 'two'], ['/bin/c']],
  );
  assert.deepEqual(service.context.environment, [
    ['A', '1'],
    ['B', '2 3'],
    ['C', 'blue'],
  ]);
  assert.deepEqual([service.timeoutStartMs, service.timeoutStopMs], [Number.POSITIVE_INFINITY, 60_000]);
  assert.deepEqual([service.kill.signal, service.kill.restartSignal], [2, 2]);
  assert.deepEqual(service.successExit, { statuses: [1, 75], signals: [9] });
});

test('a target is reached after what it pulls in', () => {
  const spec = read('all.target', '[Unit]\nWants=a.service b.service\nBefore=b.service\n');
  assert.equal(spec.kind, 'target');
  assert.deepEqual(spec.dependencies.After, ['a.service']);
});

describe('what needs systemd is refused by name', () => {
  const service = (lines: string) => `[Service]\nExecStart=/bin/true\n${lines}\n`;
  const cases: readonly (readonly [name: string, text: string, expected: RegExp])[] = [
    ['a.timer', '[Timer]\nOnCalendar=daily\n', /^a\.timer: a \.timer unit needs systemd$/],
    ['a.socket', '', /\.socket unit needs systemd/],
    ['a@.service', service(''), /is a template/],
    ['a.service', service('PrivateTmp=yes'), /^a\.service: line 3: PrivateTmp=yes needs systemd$/],
    ['a.service', service('MemoryMax=1G'), /MemoryMax=1G needs systemd/],
    ['a.service', service('Type=dbus'), /Type= takes one of .* not "dbus" \(needs systemd\)/],
    ['a.service', service('StandardOutput=tty'), /StandardOutput= "tty" needs systemd/],
    ['a.service', service('WatchdogSec=5'), /WatchdogSec=5 needs systemd/],
    ['a.service', `[Unit]\nConditionPathExists=/x\n${service('')}`, /ConditionPathExists=\/x needs systemd/],
    ['a.service', service('ExecStop=/bin/echo %y'), /line 3: ExecStop= the specifier %y needs systemd/],
    [
      'a.service',
      service('ExecStop=/bin/date +%F'),
      /ExecStop= there is no specifier %F: write %%F for a percent sign/,
    ],
    ['a.service', service('Restart=sometimes'), /line 3: Restart= takes one of/],
    ['a.service', service('TimeoutStopSec=soon'), /takes a time span/],
    ['a.service', service('KillSignal=SIGNOPE'), /takes a signal/],
    ['a.service', service('UMask=9'), /takes an octal number/],
    ['a.service', service('Nice=99'), /takes a whole number from -20 to 19/],
    ['a.service', service('ExecStart=/bin/other'), /more than one ExecStart=/],
    ['a.service', '[Service]\nType=simple\n', /neither ExecStart= nor ExecStop=/],
    ['a.service', '[Service]\nType=oneshot\nRestart=always\nExecStart=/bin/true\n', /not allowed for Type=oneshot/],
    ['a.service', '[Service]\nExecStart\n', /line 2: expected "Name=value"/],
  ];
  for (const [name, text, expected] of cases) test(String(expected), () => assert.match(refusal(name, text), expected));
});

test('what changes nothing here is accepted', () => {
  const text = `[Unit]
Description=Web
Documentation=https://example.com man:web(8)
X-Owner=me
[Service]
ExecStart=/bin/true
Slice=web.slice
PrivateTmp=no
ProtectSystem=false
TasksMax=infinity
MemoryAccounting=yes
StandardInput=null
X-Note=hello
[Install]
WantedBy=multi-user.target
Alias=other.service
[X-Fleet]
Conflicts=web@*.service
`;
  const spec = read('web.service', text);
  assert.deepEqual(spec.notes, []);
  assert.deepEqual(spec.documentation, ['https://example.com', 'man:web(8)']);
});

test('what systemd ignores is ignored with a note', () => {
  const spec = read(
    'a.service',
    '[Unti]\nAfter=x\n[Service]\nExecStart=/bin/true\nRetsart=always\nEnvironment=no-assignment\n',
  );
  assert.deepEqual(spec.notes, [
    "Unknown section 'Unti', ignoring line 2: After=",
    "Unknown key name 'Retsart' in section 'Service', ignoring (line 5: Retsart=)",
    'Invalid environment assignment, ignoring: no-assignment',
  ]);
});

test('no text makes it throw', () => {
  const key = fc.constantFrom(
    'ExecStart',
    'Type',
    'Restart',
    'Environment',
    'After',
    'KillMode',
    'PIDFile',
    'constructor',
  );
  const value = fc.oneof(fc.string(), fc.constantFrom('/bin/true', 'oneshot', '%', '"', '-', '0', 'yes', '\\'));
  const line = fc.tuple(key, value).map(([name, text]) => `${name}=${text}`);
  const section = fc.constantFrom('[Unit]', '[Service]', '[Install]', '[X-Fleet]', '[toString]');
  fc.assert(
    fc.property(fc.array(fc.oneof(line, section)), (lines) => {
      const spec = readUnit('a.service', lines.join('\n'), FACTS);
      assert.ok(typeof spec === 'string' ? spec.startsWith('a.service: ') : spec.service !== undefined);
    }),
    { numRuns: 500 },
  );
});
