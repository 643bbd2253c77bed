import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseSync, Visitor } from 'oxc-parser';
import scslre from 'scslre';
import { type SourceFile, sources } from './sources.ts';

interface Expression {
  /** FILE:LINE. */
  readonly at: string;
  readonly source: string;
  readonly flags: string;
}

/** The regular expressions of a file as they stand there, and the places that make one of text, which nobody can judge. */
function expressionsIn({ file, text }: SourceFile): { literals: Expression[]; made: string[] } {
  const literals: Expression[] = [];
  const made: string[] = [];
  const at = (offset: number) => `${file}:${text.slice(0, offset).split('\n').length}`;
  const look = ({ callee, start }: { callee: { type: string; name?: unknown }; start: number }) => {
    if (callee.type === 'Identifier' && callee.name === 'RegExp') made.push(at(start));
  };
  const visitor = new Visitor({
    Literal: (node) => {
      if ('regex' in node) literals.push({ at: at(node.start), source: node.regex.pattern, flags: node.regex.flags });
    },
    NewExpression: look,
    CallExpression: look,
  });
  visitor.visit(parseSync(file, text).program);
  return { literals, made };
}

/** Whether some text takes time that grows with the square of its length, or worse: a stranger's text stops the process. */
function isSlow({ source, flags }: Pick<Expression, 'source' | 'flags'>): boolean {
  return scslre.analyse({ source, flags }).reports.length > 0;
}

const product = sources('src/**/*.ts', 'scripts/**/*.ts').filter(({ file }) => !file.endsWith('.test.ts'));

test('the expressions that are known to be slow are found', () => {
  const slow: readonly (readonly [string, string])[] = [
    ['(a+)+b', ''],
    ['\\s+$', ''],
    ['^\\s*(.*)$', 's'],
    ['^[0-9a-f:]*:[0-9a-f:.]*$', 'i'],
  ];
  for (const [source, flags] of slow) assert.ok(isSlow({ source, flags }), source);
  assert.equal(isSlow({ source: '^[0-9a-f]*:[0-9a-f:.]*$', flags: 'i' }), false);
});

test('no regular expression takes more than linear time for any text', () => {
  const { literals, made } = expressionsIn({ file: 'x.ts', text: 'f(/a+$/u);\nnew RegExp(s); RegExp(s);' });
  assert.deepEqual([literals, made], [[{ at: 'x.ts:1', source: 'a+$', flags: 'u' }], ['x.ts:2', 'x.ts:2']]);
  const all = product.map(expressionsIn);
  const found = all.flatMap((file) => file.literals).filter(isSlow);
  assert.deepEqual(
    found.map(({ at, source, flags }) => `${at}: /${source}/${flags}`),
    [],
    'write it so that no two parts can take the same text, or use trimEnd, split, indexOf',
  );
  assert.deepEqual(
    all.flatMap((file) => file.made),
    [],
    'write the expression as a literal, which can be checked',
  );
});
