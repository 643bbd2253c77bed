import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import type { Needs } from '../model/index.ts';
import { checkUnit } from './check.ts';
import { readNeeds } from './needs.ts';
import { parseUnitFile } from './parse.ts';

function read(xFleet: string, name = 'foo@1.service'): { needs: Needs; told: string[] } {
  const { options, lines, problems } = parseUnitFile(`[X-Fleet]\n${xFleet}\n`);
  assert.deepEqual(problems, []);
  const found = readNeeds(name, options, lines);
  return { needs: found.needs, told: found.problems.map((p) => `${p.severity} ${p.line}: ${p.message}`) };
}

const NEEDS: readonly (readonly [xFleet: string, needs: Partial<Needs>, name?: string])[] = [
  ['MachineID=148a18ff', { machineId: '148a18ff' }],
  ['X-ConditionMachineID=abc', { machineId: 'abc' }],
  ['X-ConditionMachineBootID=abc', { machineId: 'abc' }],
  ['X-ConditionMachineBootID=boot\nMachineID=id', { machineId: 'id' }],
  ['MachineOf=a.service\nMachineOf=b.service c.service', { machineOf: ['a.service', 'b.service', 'c.service'] }],
  ['X-ConditionMachineOf=hello-world@%i.service', { machineOf: ['hello-world@1.service'] }],
  ['MachineMetadata=region=us', { metadata: { region: ['us'] } }],
  ['MachineMetadata="region=us-east-1" "diskType=SSD"', { metadata: { region: ['us-east-1'], diskType: ['SSD'] } }],
  ['X-ConditionMachineMetadata=a=1\nMachineMetadata=a=2\nMachineMetadata=a=1', { metadata: { a: ['1', '2'] } }],
  ['MachineMetadata=url=http://x/?a=b', { metadata: { url: ['http://x/?a=b'] } }],
  ['Conflicts=%p@*.service', { conflicts: ['foo@*.service'] }],
  ['X-Conflicts=a* b*\nConflicts=c*', { conflicts: ['a*', 'b*', 'c*'] }],
  ['Conflicts=%n %N %p %i %H', { conflicts: ['foo@1.service', 'foo@1', 'foo', '1', '%H'] }],
  ['MachineID=%p-%i', { machineId: 'foo-' }, 'foo.service'],
  ['Global=true', { global: true }],
  ['Global=ON', { global: true }],
  ['Global=T', { global: true }],
  ['Global=1\nGlobal=no', { global: false }],
  ['Global=enabled', { global: false }],
  ['Global=true\nGlobal=', { global: false }],
  ['Replaces=old*.service', { replaces: ['old*.service'] }],
  ['OnPartition=stop', { onPartition: 'stop' }],
  ['RunOnce=true', { runOnce: true }],
  ['RunOnce=yes\nRunOnce=off', {}],
  ['Conflicts=a \\\n b', { conflicts: ['a', 'b'] }],
  ['MachineOf=\nConflicts=', {}],
];
for (const [xFleet, expected, name] of NEEDS) {
  test(`${JSON.stringify(xFleet)} is understood`, () => {
    const { needs, told } = read(xFleet, name);
    const nothing = { machineOf: [], metadata: {}, conflicts: [], global: false, replaces: [], onPartition: 'keep' };
    assert.deepEqual(needs, { ...nothing, ...expected });
    assert.deepEqual(told, []);
  });
}

const PROBLEMS: readonly (readonly [xFleet: string, problem: RegExp])[] = [
  ['MachineOf=a.service\nConflicts=a*', /^error 3: MachineOf=a\.service contradicts Conflicts=a\*/],
  ['MachineOf=a.service\nReplaces=a*', /^error 3: MachineOf=a\.service contradicts Replaces=a\*/],
  ['MachineID=x\nMachineOf=a.service', /^error 3: MachineID cannot be combined with MachineOf/],
  ['MachineID=x\nConflicts=a', /^error 3: MachineID cannot be combined with Conflicts/],
  ['MachineID=x\nGlobal=true', /^error 3: MachineID cannot be combined with Global/],
  ['MachineID=x\nReplaces=a', /^error 3: MachineID cannot be combined with Replaces/],
  ['Global=true\nMachineOf=a.service', /^error 3: Global cannot be combined with MachineOf/],
  ['Global=true\nReplaces=a', /^error 3: Global cannot be combined with Replaces/],
  ['Conflicts=a\nReplaces=b', /^error 3: Conflicts cannot be combined with Replaces/],
  ['MachineOf=web', /^error 2: MachineOf=web names no unit: unit name "web" must contain/],
  ['RunOnce=once', /^error 2: RunOnce=once is neither "true" nor "false"$/],
  ['RunOnce=1\nGlobal=true', /^error 3: RunOnce cannot be combined with Global: remove one$/],
  ['OnPartition=halt', /^error 2: OnPartition=halt is neither "keep" nor "stop"$/],
  ['Colour=red', /^warning 2: unknown option Colour= in \[X-Fleet\] is ignored$/],
  ['MachineMetadata=ssd', /^warning 2: MachineMetadata=ssd is not "key=value" and is ignored$/],
  ['Conflicts=[a', /^warning 2: Conflicts=\[a is a malformed glob/],
  ['MachineID=x\nMachineID=y', /^warning 3: MachineID=y is ignored: the unit names machine x already$/],
];
for (const [xFleet, problem] of PROBLEMS) {
  test(`${JSON.stringify(xFleet)} is reported`, () => {
    const { told } = read(xFleet);
    assert.equal(told.length, 1, told.join('\n'));
    assert.match(told[0]!, problem);
  });
}

test('a metadata key is just a key, whatever it is called', () => {
  const { needs } = read('MachineMetadata=__proto__=x constructor=y');
  assert.deepEqual(Object.entries(needs.metadata), [
    ['__proto__', ['x']],
    ['constructor', ['y']],
  ]);
});

describe('checkUnit', () => {
  const check = (name: string, text: string) => {
    const { options, lines } = parseUnitFile(text);
    return checkUnit(name, options, lines).map(({ line, message, severity }) => `${severity} ${line}: ${message}`);
  };

  test('has nothing to say about sound units', () => {
    const text =
      '[Unit]\nDescription=x\n[Service]\nExecStart=/bin/x \\\n  y\n[X-Fleet]\nGlobal=true\n[X-Service]\nPort=80\n';
    assert.deepEqual(check('a.service', text), []);
    assert.deepEqual(check('a@.service', '[Unit]\nDescription=%i\n[X-Fleet]\nMachineOf=b@%i.service\n'), []);
  });

  test('leaves to the instances of a template what only they can tell', () => {
    const beside = '[Service]\nExecStart=/bin/x\n[X-Fleet]\nMachineOf=%i.service\nMachineMetadata=region=%i\n';
    assert.deepEqual(check('a@.service', `${beside}MachineOf=%i\n`), []);
    assert.deepEqual(check('a@.service', '[X-Fleet]\nMachineOf=db.service\nConflicts=%i*\n'), []);
    assert.deepEqual(check('a@web.service', beside), []);
    assert.match(check('a@.service', '[X-Fleet]\nMachineOf=web\n')[0]!, /^error 2: MachineOf=web names no unit/);
    assert.match(
      check('a@.service', '[X-Fleet]\nMachineOf=%i.service\nGlobal=true\n')[0]!,
      /^error 3: Global cannot be combined with MachineOf/,
    );
  });

  test('reports name, options and needs at once, by line', () => {
    assert.deepEqual(
      check('a', '[X-fleet]\nX=1\nY=1\n[X-Fleet]\nFoo=1\n').map((line) => line.slice(0, 30)),
      ['error 0: unit name "a" must co', 'warning 2: section [X-fleet] i', 'warning 5: unknown option Foo='],
    );
  });

  test('refuses a unit without options', () => {
    assert.deepEqual(check('a.service', '# nothing\n'), ['error 0: the unit file has no options']);
  });

  const SMUGGLED = [
    { section: 'Service', name: 'ExecStart', value: '/bin/x\nUser=root' },
    { section: 'Service', name: 'ExecStart', value: '/bin/x \\' },
    { section: 'Service]\n[X', name: 'A', value: '1' },
    { section: '', name: 'A', value: '1\nB=2' },
    { section: 'Service', name: 'A=B', value: '1' },
    { section: 'Service', name: '#A', value: '1' },
    { section: 'Service', name: '', value: '1' },
    { section: 'Service', name: 'A', value: 'x'.repeat(2048) },
    { section: 'Service', name: 'A', value: 'a\0b' },
    { section: 'Unit', name: 'Description', value: 'a\r[Service]\rUser=root' },
    { section: 'Unit', name: 'Description', value: 'a\r' },
    { section: 'Unit', name: 'Description', value: '\ra' },
    { section: 'Unit\r', name: 'Description', value: 'a' },
    { section: 'Unit', name: 'Description\r', value: 'a' },
  ];
  for (const option of SMUGGLED) {
    test(`refuses an option that no file could hold: ${JSON.stringify(option).slice(0, 70)}`, () => {
      const [problem] = checkUnit('a.service', [option]);
      assert.equal(problem!.severity, 'error');
      assert.match(problem!.message, /cannot be written to a unit file/);
    });
  }

  test('has nothing against the options of any file that parses, and never throws', () => {
    const line = fc.oneof(
      fc.constantFrom(
        '[Unit]',
        '[X-Fleet]',
        'MachineOf=a.service',
        'Conflicts="a b" [c',
        'Global=%i',
        'A=b \\',
        '# c',
        '',
      ),
      fc.string({ unit: 'binary', maxLength: 20 }),
    );
    fc.assert(
      fc.property(fc.array(line, { maxLength: 15 }), fc.string(), (lines, name) => {
        const parsed = parseUnitFile(`[Unit]\nA=1\n${lines.join('\n')}\n`);
        const problems = checkUnit(name, parsed.options, parsed.lines);
        if (parsed.problems.some(({ severity }) => severity === 'error')) return;
        assert.ok(!problems.some(({ message }) => message.includes('cannot be written')), JSON.stringify(problems));
      }),
      { numRuns: 1000 },
    );
  });
});
