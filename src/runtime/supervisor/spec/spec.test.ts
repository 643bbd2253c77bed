import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { parseEnvironmentFile } from './environment-file.ts';
import { type ExecCommand, expandArgv, parseExecLine } from './exec-command.ts';
import { describeExit, isCleanExit } from './exit-status.ts';
import { specifiersOf, unescapeUnitName } from './specifiers.ts';
import { parseBoolean, parseSignal, parseTimeSpanMs, signalName } from './values.ts';
import { readWords } from './words.ts';

const same = (text: string) => text;
const FACTS = { machineId: 'm1', bootId: 'b1', hostname: 'host.example', runtimeDirectory: '/run' };

/** Returns the words of an Exec line; undefined when a quote is not closed. */
function splitWords(line: string): readonly string[] | undefined {
  const { words, complete } = readWords(line, 'lenient');
  return complete ? words.map(({ text }) => text) : undefined;
}

test('time spans are read as systemd.time(7) writes them', () => {
  const cases: readonly (readonly [string, number | undefined])[] = [
    ['5', 5000],
    ['0', 0],
    ['1.5', 1500],
    ['500ms', 500],
    ['1min 30s', 90_000],
    ['2h', 7_200_000],
    ['1d12h', 129_600_000],
    ['infinity', Number.POSITIVE_INFINITY],
    ['100us', 0.1],
    ['', undefined],
    ['5 apples', undefined],
    ['-1', undefined],
  ];
  for (const [text, expected] of cases) assert.equal(parseTimeSpanMs(text), expected, text);
});

test('booleans and signals have systemd’s spellings', () => {
  assert.deepEqual(['yes', 'TRUE', '1', 'on'].map(parseBoolean), [true, true, true, true]);
  assert.deepEqual(['no', 'f', '0', 'maybe'].map(parseBoolean), [false, false, false, undefined]);
  assert.deepEqual(['SIGTERM', 'int', '9', 'RTMIN+3', 'SIGNOPE', '99'].map(parseSignal), [
    15,
    2,
    9,
    37,
    undefined,
    undefined,
  ]);
  assert.deepEqual([15, 6, 37].map(signalName), ['TERM', 'ABRT', 'RTMIN+3']);
});

test('words are split with quotes and escapes', () => {
  const cases: readonly (readonly [string, readonly string[] | undefined])[] = [
    ['a  b\tc', ['a', 'b', 'c']],
    [`"a b" 'c d'`, ['a b', 'c d']],
    [`x"y z"w`, ['xy zw']],
    [`'it'"'"'s'`, ["it's"]],
    ['a\\ b', ['a\\ b']],
    ['\\x41\\102\\u00e9\\n\\s.', ['AB\u00e9\n .']],
    ['\\xc3\\xa9', ['\u00e9']],
    ['""', ['']],
    ['\\d', ['\\d']],
    ['"open', undefined],
  ];
  for (const [line, expected] of cases) assert.deepEqual(splitWords(line), expected, line);
});

test('any words survive being quoted', () => {
  const word = fc.string({ unit: 'grapheme' }).filter((text) => !text.includes('\0'));
  fc.assert(
    fc.property(fc.array(word), (words) => {
      const line = words.map((text) => `"${text.replace(/["\\]/g, '\\$&')}"`).join(' ');
      assert.deepEqual(splitWords(line), words);
    }),
  );
});

describe('Exec lines', () => {
  const cases: readonly (readonly [string, readonly Partial<ExecCommand>[] | RegExp])[] = [
    ['/bin/true', [{ path: '/bin/true', args: [] }]],
    ['-/bin/false a', [{ path: '/bin/false', args: ['a'], ignoreFailure: true }]],
    ['@/bin/sh name -c x', [{ argv0: 'name', args: ['-c', 'x'] }]],
    ['+-/bin/x', [{ privileged: true, ignoreFailure: true }]],
    ['!/bin/x', [{ privileged: true }]],
    ['!!/bin/x', [{ privileged: true }]],
    [':/bin/echo $HOME', [{ literal: true, args: ['$HOME'] }]],
    ['sleep 5', [{ path: 'sleep', args: ['5'] }]],
    [
      '/bin/a 1 ; /bin/b 2',
      [
        { path: '/bin/a', args: ['1'] },
        { path: '/bin/b', args: ['2'] },
      ],
    ],
    ['/bin/a \\; ";"', [{ args: [';', ';'] }]],
    ['"/with blank/x" y', [{ path: '/with blank/x', args: ['y'] }]],
    ['/bin/x ; \\q', /special characters/],
    ['bin/x', /absolute path or a bare name/],
    ['/bin/', /names a directory/],
    [':', /names no program/],
    ['@/bin/sh', /no argv\[0\]/],
    ['/bin/echo "x', /quote that is not closed/],
  ];
  for (const [line, expected] of cases) {
    test(line, () => {
      if (expected instanceof RegExp) assert.throws(() => parseExecLine(line, same), expected);
      else assert.partialDeepStrictEqual(parseExecLine(line, same).commands, expected);
    });
  }

  const passedOver: readonly (readonly [string, RegExp])[] = [
    ['/bin/x ; -a\\x01 ; /bin/y', /special characters/],
    ['/bin/x ; -./y ; /bin/y', /absolute path or a bare name/],
    ['/bin/x ; -/y/', /names a directory/],
    ['/bin/x ; -', /names no program/],
    ['/bin/x ; -@/bin/y ; /bin/z', /no argv\[0\]/],
    ['/bin/x ; -/bin/y "z', /quote that is not closed/],
    ['/bin/x ; "z', /quote that is not closed/],
    ['/bin/x ; -/bin/%z ; /bin/y', /there is no specifier %z/],
  ];
  for (const [line, expected] of passedOver) {
    test(`${line} runs what stands before the wrong command`, () => {
      const { commands, ignored } = parseExecLine(line, specifiersOf('a.service', FACTS));
      assert.deepEqual(
        commands.map(({ path }) => path),
        ['/bin/x'],
      );
      assert.match(ignored!, expected);
      if (line.includes('-')) {
        const strict = line.replace('-', ':');
        assert.throws(() => parseExecLine(strict, specifiersOf('a.service', FACTS)), expected);
      }
    });
  }

  test('what needs systemd is refused, whatever its prefix', () => {
    assert.throws(() => parseExecLine('/bin/x ; -/bin/y %o', specifiersOf('a.service', FACTS)), /needs systemd/);
  });

  // biome-ignore lint/suspicious/noTemplateCurlyInString: it is systemd's notation
  const LINE = '/x $ONE $WORDS ${WORDS} a${ONE}b $EMPTY $NONE ${NONE} $$ONE a$ONE $ $(x)';

  test('variables are expanded as a whole word, inside of words, or not at all', () => {
    const environment = { ONE: '1', WORDS: 'a  "b c"', EMPTY: '' };
    const [command] = parseExecLine(LINE, same).commands;
    const expected = ['1', 'a', 'b c', 'a  "b c"', 'a1b', '', '$ONE', 'a$ONE'];
    assert.deepEqual(expandArgv(command!, environment).slice(1), expected);
  });

  test('variables are expanded as systemd 252 expands them', () => {
    const environment = { RE: '--m=^\\d+\\s', HALF: '"a b', END: 'a\\', 'A B': 'never', X: '1' };
    const argsOf = (line: string) => expandArgv(parseExecLine(`/x ${line}`, same).commands[0]!, environment).slice(1);
    // biome-ignore-start lint/suspicious/noTemplateCurlyInString: it is systemd's notation
    assert.deepEqual(argsOf('$RE'), ['--m=^d+s']);
    assert.deepEqual(argsOf('$HALF $END'), ['a b', 'a']);
    assert.deepEqual(argsOf('"a${NO NAME}b" a${1-2}b a${}b'), ['ab', 'ab', 'ab']);
    assert.deepEqual(argsOf('a${X:-y}b a${:X}b ${X'), ['a${X:-y}b', 'a${:X}b', '${X']);
    assert.deepEqual(argsOf('a$-${X} ${X}$$${X} ${$$'), ['a$-1', '1$1', '${$$']);
    // biome-ignore-end lint/suspicious/noTemplateCurlyInString: it is systemd's notation
    assert.deepEqual(expandArgv(parseExecLine('@/x $X a', same).commands[0]!, environment), ['1', 'a']);
  });
});

test('specifiers know a user without an entry in /etc/passwd by number', {
  skip: process.getuid!() === 0 ? false : 'only root can be several users',
}, () => {
  const nameless = 2_000_000_001;
  process.seteuid!(nameless);
  try {
    assert.equal(specifiersOf('a.service', FACTS)('%u|%U|%s'), `${nameless}|${nameless}|/bin/sh`);
  } finally {
    process.seteuid!(0);
  }
});

test('specifiers know the unit’s name in all its parts', () => {
  const expand = specifiersOf('a-b@x-\\x2dy.service', FACTS);
  assert.equal(expand('%n %N %p %P %i %I'), 'a-b@x-\\x2dy.service a-b@x-\\x2dy a-b a/b x-\\x2dy x/-y');
  assert.equal(expand('%H %l %m %b %t %% 100%%n'), 'host.example host m1 b1 /run % 100%n');
  assert.equal(specifiersOf('plain.service', FACTS)('%i|%I|%p|%j'), '||plain|plain');
  assert.equal(expand('50% %- %'), '50% %- %');
  assert.throws(() => expand('+%F'), /no specifier %F: write %%F/);
  assert.throws(() => expand('%y'), /specifier %y needs systemd/);
  assert.equal(unescapeUnitName('caf\\xc3\\xa9-1'), 'caf\u00e9/1');
});

test('environment files are read line by line, as systemd does', () => {
  const text = [
    '# comment \\',
    'still the comment',
    '; comment',
    'A=1',
    'B="two words" ',
    "C='single $x'",
    'D=joined \\',
    'line',
    'E="with \\"quotes\\" and \\$"',
    'export F=no',
    'G=trailing   ',
    '1BAD=x',
    'H=',
    '  I = spaced',
    'no assignment',
    'J="over',
    'lines"',
  ].join('\n');
  const expected = {
    A: '1',
    B: 'two words',
    C: 'single $x',
    D: 'joined line',
    E: 'with "quotes" and $',
    G: 'trailing',
    H: '',
    I: 'spaced',
    J: 'over\nlines',
  };
  assert.deepEqual(Object.fromEntries(parseEnvironmentFile(text)), expected);
});

test('quotes in environment files open at a value’s start or behind a closing quote alone', () => {
  const cases: readonly (readonly [string, readonly (readonly [string, string])[]])[] = [
    [
      "GREETING=Don't panic\nNEXT=1\n",
      [
        ['GREETING', "Don't panic"],
        ['NEXT', '1'],
      ],
    ],
    ['J={"a":"b"}\n', [['J', '{"a":"b"}']]],
    ['T="w" # n\n', [['T', 'w# n']]],
    [`A="a b" 'c d' e\n`, [['A', 'a bc de']]],
    [
      'A=a\\\\ \nB=\\\nb\r\nC= \\ x \n',
      [
        ['A', 'a\\'],
        ['B', 'b'],
        ['C', ' x'],
      ],
    ],
    [
      'A="\\n\\"\\\nx"\nB=\x01\nC=\t\tx\ty\n',
      [
        ['A', '\\n"x'],
        ['B', '\x01'],
        ['C', 'x\ty'],
      ],
    ],
    ['A="never closed\nB=1', [['A', 'never closed\nB=1']]],
    ['\ufeffA=1\nB=1', [['B', '1']]],
    ['A B=1\nÄ=1\n=1\nC =1', [['C', '1']]],
  ];
  for (const [text, expected] of cases) assert.deepEqual(parseEnvironmentFile(text), expected, text);
});

test('any environment file is read without harm', () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom('A', '=', '"', "'", '\\', '\n', ' ', '#', '$') }), (text) => {
      parseEnvironmentFile(text);
    }),
  );
});

test('exits are named and judged', () => {
  assert.equal(describeExit({ code: 'exited', status: 0 }), 'code=exited, status=0/SUCCESS');
  assert.equal(describeExit({ code: 'exited', status: 203 }), 'code=exited, status=203/EXEC');
  assert.equal(describeExit({ code: 'exited', status: 127 }), 'code=exited, status=127/n/a');
  assert.equal(describeExit({ code: 'killed', status: 9 }), 'code=killed, status=9/KILL');
  assert.ok(isCleanExit({ code: 'killed', status: 15 }, 'daemon'));
  assert.ok(!isCleanExit({ code: 'killed', status: 15 }, 'command'));
  assert.ok(isCleanExit({ code: 'exited', status: 42 }, 'daemon', { statuses: [42], signals: [] }));
  assert.ok(!isCleanExit({ code: 'exited', status: 1 }, 'daemon'));
});
