import fc from 'fast-check';

/** One unit to be read by systemd and by the supervisor: its file, and the environment file that it names. */
export interface UnitCase {
  readonly unit: string;
  readonly environmentFile: string;
}

/** Where a case's commands leave what they were given; `report` prints its arguments and environment there. */
export const DIRECTORY = '/run/units-compared';
export const REPORT = `${DIRECTORY}/report`;

const piece = (...texts: readonly string[]) => fc.constantFrom(...texts);
const joined = (part: fc.Arbitrary<string>, maxLength: number) =>
  fc.array(part, { maxLength }).map((parts) => parts.join(''));

// biome-ignore-start lint/suspicious/noTemplateCurlyInString: it is systemd's notation
const NAMES = ['A', 'B', 'C1', '_D', 'HOME', 'A B', '1BAD', 'É', 'A-B', ''];
const VALUE = joined(
  piece(
    ...[
      'a',
      'b',
      ' ',
      '  ',
      '\t',
      '"',
      "'",
      '\\',
      '\\\\',
      '\\n',
      '\\x41',
      '\\"',
      "\\'",
      '$',
      '`',
      '$A',
      '#',
      ';',
      '=',
      'é',
    ],
    ...['\\\n', '%', '{', '}', 'a\u00a0b', 'a\x0bb', '😀', 'Don’t', "don't", '"w"', "'q q'", '\x01', '\\t', '\\$'],
  ),
  8,
);
const FILE_LINE = fc.oneof(
  { weight: 6, arbitrary: fc.tuple(piece(...NAMES), piece('=', ' = ', '= '), VALUE).map((parts) => parts.join('')) },
  { weight: 1, arbitrary: VALUE.map((text) => `# ${text}`) },
  { weight: 1, arbitrary: VALUE.map((text) => `;${text}`) },
  { weight: 1, arbitrary: VALUE },
);
const ENVIRONMENT_FILE = fc
  .tuple(
    piece('', '', '', '\ufeff', '\n'),
    fc.array(FILE_LINE, { maxLength: 5 }),
    piece('\n', '\n', '\r\n'),
    piece('', '\n'),
  )
  .map(([start, lines, end, last]) => `${start}${lines.join(end)}${last}`);

const WORD = joined(
  piece(
    ...[
      'a',
      'b',
      '-',
      '"',
      "'",
      '"x y"',
      "'x y'",
      '\\n',
      '\\x41',
      '\\101',
      '\\401',
      '\\u00e9',
      '\\q',
      '\\\\',
      '\\s',
      '\\"',
    ],
    ...[
      '$A',
      '$B',
      '${A}',
      '${B}',
      '${C1}x',
      '${NO}',
      '${A:-b}',
      '${',
      '}',
      '$$',
      '$',
      '$$A',
      '%n',
      '%i',
      '%%',
      '%',
      '%z',
      '%p',
    ],
    ...[';', '\\;', 'é', '😀', '=', '#', 'a\u00a0b', '${A B}', '${1}', '\\x00', '\\U0001f600', '*', '~'],
  ),
  5,
);
// biome-ignore-end lint/suspicious/noTemplateCurlyInString: it is systemd's notation
const BLANK = piece(' ', ' ', ' ', '  ', '\t', ' \\\n', ' \\\n  ', ' \\\n# note\n', ' \\\n;note \\\n ');
const WORDS = fc
  .array(
    fc.tuple(BLANK, WORD).map((parts) => parts.join('')),
    { maxLength: 5 },
  )
  .map((all) => all.join(''));
const PREFIX = piece('', '', '', '-', '-', ':', '-:', '+', '!', '!!', '-:+');
const EXEC = fc.oneof(
  { weight: 5, arbitrary: fc.tuple(PREFIX, WORDS).map(([prefix, words]) => `${prefix}${REPORT} ID${words}`) },
  {
    weight: 1,
    arbitrary: fc.tuple(PREFIX, WORDS).map(([prefix, words]) => `@${prefix}/bin/sh argv0 ${REPORT} ID${words}`),
  },
  { weight: 1, arbitrary: WORDS.map((words) => `${REPORT} ID${words} ; -${REPORT} ID a`) },
);
const ASSIGNMENT = fc.tuple(piece(...NAMES), VALUE).map(([name, value]) => `${name}=${value.replaceAll('\n', '')}`);
const ENVIRONMENT = fc
  .array(
    fc.oneof(
      ASSIGNMENT,
      ASSIGNMENT.map((text) => `"${text}"`),
      WORD,
    ),
    { maxLength: 3 },
  )
  .map((words) => words.join(' '));
// Never right behind the number that a command reports under.
const EXEC_END = piece('', '', '', ' \\\\');
const END = piece('', '', '', '\\\\', ' \\\\');

const CASE: fc.Arbitrary<UnitCase> = fc
  .record({
    environment: fc.array(
      fc.tuple(ENVIRONMENT, END).map((parts) => parts.join('')),
      { maxLength: 2 },
    ),
    exec: fc.array(
      fc.tuple(EXEC, EXEC_END).map((parts) => parts.join('')),
      { minLength: 1, maxLength: 3 },
    ),
    environmentFile: ENVIRONMENT_FILE,
    user: piece('', '', '', 'User=nobody', 'User=root', 'User=daemon'),
    start: piece('', '', '', '\ufeff', '# note\n'),
    description: WORDS,
  })
  .map(({ environment, exec, environmentFile, user, start, description }) => ({
    environmentFile,
    unit: [
      `${start}[Unit]`,
      `Description=x${description}`,
      '[Service]',
      'Type=oneshot',
      user,
      ...environment.map((words) => `Environment=${words}`),
      'EnvironmentFile=FILE',
      ...exec.map((line, index) => `ExecStart=${line.replaceAll(' ID', ` ID.${index}`)}`),
      '',
    ].join('\n'),
  }));

/** Cases of that seed: the same every time. */
export function unitCases(seed: number, count: number): readonly UnitCase[] {
  return fc.sample(CASE, { seed, numRuns: count });
}
