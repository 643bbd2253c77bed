import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isFlotillaError } from '../lib/index.ts';
import { cliUnitName, parseUnitName, templateOf, unitNameProblem } from './unit-name.ts';

test('a name is taken apart at its first @ and its last dot', () => {
  assert.deepEqual(parseUnitName('hello.service'), {
    full: 'hello.service',
    name: 'hello',
    prefix: 'hello',
    instance: undefined,
    isTemplate: false,
    suffix: 'service',
  });
  assert.deepEqual(parseUnitName('foo@a@b.c.timer'), {
    full: 'foo@a@b.c.timer',
    name: 'foo@a@b.c',
    prefix: 'foo',
    instance: 'a@b.c',
    isTemplate: false,
    suffix: 'timer',
  });
  const template = parseUnitName('foo@.service');
  assert.equal(template.isTemplate, true);
  assert.equal(template.instance, '');
});

test('only an instance has a template', () => {
  assert.equal(templateOf(parseUnitName('foo@1.service')), 'foo@.service');
  assert.equal(templateOf(parseUnitName('foo@.service')), undefined);
  assert.equal(templateOf(parseUnitName('foo.service')), undefined);
});

const GOOD = ['a.service', 'a.b.c.socket', 'A-Z_0:9\\x2d.mount', 'x@1.path', 'x@.target', `${'n'.repeat(248)}.service`];
for (const name of GOOD) test(`${name.slice(0, 40)} is a name`, () => assert.equal(unitNameProblem(name), undefined));

const BAD: readonly (readonly [name: string, problem: RegExp])[] = [
  ['', /cannot be empty/],
  ['hello', /must contain "\."/],
  ['hello.', /cannot end in "\."/],
  ['@1.service', /cannot begin with "@"/],
  ['.service', /nothing before its suffix/],
  ['hello.txt', /invalid unit type "txt"/],
  ['hel lo.service', /invalid character " "/],
  ['../etc/passwd.service', /invalid character "\/"/],
  ['grün.service', /invalid character "ü"/],
  ['a\n.service', /invalid character "\\n"/],
  ['data@1.mount', /which a mount cannot have/],
  [`${'n'.repeat(249)}.service`, /maximum length \(256 bytes\)/],
];
for (const [name, problem] of BAD) {
  test(`${JSON.stringify(name.slice(0, 40))} is refused`, () => {
    assert.match(unitNameProblem(name)!, problem);
    assert.throws(
      () => parseUnitName(name),
      (error) => isFlotillaError(error, 'invalid') && problem.test(error.message),
    );
  });
}

const CLI: readonly (readonly [arg: string, name: string])[] = [
  ['hello', 'hello.service'],
  ['hello.service', 'hello.service'],
  ['./units/hello.service', 'hello.service'],
  ['/a/b/python-test@1', 'python-test@1.service'],
  ['python-test@1.timer', 'python-test@1.timer'],
  ['multi-user.target', 'multi-user.target.service'],
  ['dir/x.mount/', 'x.mount'],
];
for (const [arg, name] of CLI)
  test(`${arg} on the command line means ${name}`, () => assert.equal(cliUnitName(arg), name));
