import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { parseUnitFile } from './parse.ts';
import { hashUnit, serializeUnitFile } from './serialize.ts';
import type { UnitOption } from './unit-file.ts';
import { splitQuoted, unfold } from './values.ts';

/** `Section.Name=value` of each option. */
function told(text: string): string[] {
  return parseUnitFile(text).options.map(({ section, name, value }) => `${section}.${name}=${value}`);
}

describe('a unit file', () => {
  test('is read in order, repeated keys and all, with the line of each option', () => {
    const text =
      '# about\n[Unit]\nAfter=a\n ; note\nAfter = b \n\n[Service]\nExecStart=/bin/x a=b\n[Unit]\nRequires=\n';
    const { options, lines, problems } = parseUnitFile(text);
    assert.deepEqual(problems, []);
    assert.deepEqual(told(text), ['Unit.After=a', 'Unit.After=b', 'Service.ExecStart=/bin/x a=b', 'Unit.Requires=']);
    assert.equal(options.length, lines.length);
    assert.deepEqual(lines, [3, 5, 8, 10]);
  });

  test('keeps the backslash and newline of a continued line', () => {
    assert.deepEqual(told('[S]\nA=one \\\n  two\\\nthree\nB=2\n'), ['S.A=one \\\n  two\\\nthree', 'S.B=2']);
  });

  test('goes on behind an odd number of backslashes alone', () => {
    assert.deepEqual(told('[S]\nA=C:\\data\\\\\nB=2\n'), ['S.A=C:\\data\\\\', 'S.B=2']);
    assert.deepEqual(told('[S]\nA=a\\\\\\\nB=2\n'), ['S.A=a\\\\\\\nB=2']);
  });

  test('takes only systemd’s own blanks before a comment inside a continued line', () => {
    assert.deepEqual(told('[S]\nA=a \\\n\uFEFF# b\nUser=c\n'), ['S.A=a \\\n\uFEFF# b', 'S.User=c']);
  });

  test('goes on behind comments inside a continued line', () => {
    assert.deepEqual(told('[S]\nA=one \\\n# why\n two\nB=2\n'), ['S.A=one \\\n# why\n two', 'S.B=2']);
  });

  test('ends a continued line at an empty one', () => {
    assert.deepEqual(told('[S]\nA=one \\\n\nB=2\n'), ['S.A=one \\\n', 'S.B=2']);
  });

  test('does not need a last newline, and may have DOS line ends or a byte order mark', () => {
    assert.deepEqual(told('\uFEFF[S]\r\nA=one \\\r\n two\r\nB=2'), ['S.A=one \\\n two', 'S.B=2']);
  });
});

const PROBLEMS: readonly (readonly [what: string, text: string, line: number, message: RegExp])[] = [
  ['garbage after a section', '[Unit] x\n', 1, /^found garbage after section name \[Unit\]: "x"$/],
  ['an option without =', '[Unit]\nA=1\nnonsense\n', 3, /^expected "Name=value", found "nonsense"$/],
  ['an unterminated section', '\n[Unit\nA=1', 2, /^unable to find end of section/],
  ['an option without a name', '[Unit]\n=1\n', 2, /no name/],
  [
    'a line too long',
    `[Unit]\nA=1\n#${'x'.repeat(2047)}\n`,
    3,
    /^line is too long: 2048 bytes, at most 2047 fit, as in fleet: end it/,
  ],
  ['a NUL byte', '[Unit]\nA=a\0b\n', 2, /NUL/],
  ['a lone carriage return in a value', '[Unit]\nA=a\rUser=root\n', 2, /carriage return/],
  ['a lone carriage return in a comment', '[Unit]\nA=1\n# a\rUser=root\n', 3, /carriage return/],
  ['a carriage return too many', '[Unit]\r\nA=a\r\r\n', 2, /carriage return/],
  ['a carriage return before a line', '[Unit]\nA=a\n\rB=b\n', 3, /carriage return/],
];
for (const [what, text, line, message] of PROBLEMS) {
  test(`${what} is an error with its line`, () => {
    const [problem] = parseUnitFile(text).problems.filter(({ severity }) => severity === 'error');
    assert.equal(problem!.line, line);
    assert.match(problem!.message, message);
  });
}

test('a line of 2047 bytes is fine', () => {
  assert.deepEqual(parseUnitFile(`[Unit]\nA=${'é'.repeat(1022)}x\n`).problems, []);
});

test('every problem is reported, not just the first', () => {
  const { problems } = parseUnitFile('[Unit\n[Service] x\nbroken\nalso broken\\\n and its rest\nA=1\n');
  assert.deepEqual(
    problems.map(({ line }) => line),
    [1, 2, 3, 4],
  );
});

test('a line that is meant to go on, and does not, is named', () => {
  const { problems } = parseUnitFile('[Service]\nExecStart=/bin/x \\ \n  --name=y\nExecStop=/bin/y\n');
  assert.deepEqual(
    problems.map(({ line, message }) => [line, message.slice(0, 37)]),
    [[2, 'blanks stand behind the backslash, so']],
  );
});

test('what systemd would ignore is warned of', () => {
  const { problems } = parseUnitFile('A=1\n[Unit]\nB=2\\');
  assert.deepEqual(
    problems.map(({ line, severity }) => [line, severity]),
    [
      [1, 'warning'],
      [3, 'warning'],
    ],
  );
});

describe('the canonical text', () => {
  const canonical = '[Unit]\nDescription=Hello\nAfter=a \\\n  b\n\n[Service]\nExecStart=/bin/sh -c "echo hi"\n';

  test('of a canonical file is that file, so its hash is that of sha1sum', () => {
    const { options } = parseUnitFile(canonical);
    assert.equal(serializeUnitFile(options), canonical);
    assert.equal(hashUnit(options), createHash('sha1').update(canonical).digest('hex'));
  });

  test('has sections in order of first appearance, and no comments', () => {
    const text = '# c\n[B]\nx=1\n[A]\ny=2\n[B]\nz=3\n';
    assert.equal(serializeUnitFile(parseUnitFile(text).options), '[B]\nx=1\nz=3\n\n[A]\ny=2\n');
    assert.equal(serializeUnitFile([]), '');
    assert.equal(hashUnit([]), 'da39a3ee5e6b4b0d3255bfef95601890afd80709');
  });

  test('read again is the same, whatever the file', () => {
    const piece = fc.oneof(
      fc.constantFrom(
        '[Unit]\n',
        '[X-Fleet]\n',
        'A=1\n',
        'B=two \\\n',
        ' \\\n',
        '# c\n',
        '; c \\\n',
        '\n',
        'A=\\',
        '=',
        '[',
        ']',
      ),
      fc.string({ unit: 'binary', maxLength: 12 }),
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 20 }), (pieces) => {
        const { options } = parseUnitFile(pieces.join(''));
        const text = serializeUnitFile(options);
        const again = parseUnitFile(text);
        assert.equal(serializeUnitFile(again.options), text);
        assert.deepEqual(again.options, grouped(options));
      }),
      { numRuns: 2000 },
    );
  });
});

/** The options as the serialised file orders them: those of one section stand together. */
function grouped(options: readonly UnitOption[]): UnitOption[] {
  const sections = [...new Set(options.map(({ section }) => section))];
  return sections.flatMap((section) => options.filter((option) => option.section === section));
}

test('unfold reads a value as systemd does', () => {
  assert.equal(unfold('plain'), 'plain');
  assert.equal(unfold('one \\\n  two\\\nthree'), 'one    two three');
  assert.equal(unfold('one \\\n# why \\\n two'), 'one   two');
  assert.equal(unfold('one \\\n'), 'one');
  assert.equal(unfold('one \\\ntwo\\\\'), 'one  two\\\\');
  assert.equal(unfold('one \\\\\\\ntwo'), 'one \\\\ two');
});

test('splitQuoted keeps quoted blanks together', () => {
  assert.deepEqual(splitQuoted('"region=us east" "disk=SSD"'), ['region=us east', 'disk=SSD']);
  assert.deepEqual(splitQuoted('a  b\tc \\\n d'), ['a', 'b', 'c', 'd']);
  assert.deepEqual(splitQuoted('a"b c"d "open end'), ['ab cd', 'open end']);
  assert.deepEqual(splitQuoted(" o'brien \\[x "), ["o'brien", '\\[x']);
  assert.deepEqual(splitQuoted(' "" '), []);
});
