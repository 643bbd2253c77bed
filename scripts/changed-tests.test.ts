import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { changedFiles, readProject, selectTests } from './changed-tests.ts';
import { root } from './run-tests.ts';

/** A project with one of each kind of file. */
const FILES: ReadonlyMap<string, string> = new Map(
  Object.entries({
    'package.json': '{}',
    'README.md': 'run `src/low/low.ts`',
    'bin/tool': 'exec "$node" "$root/dist/fleetctl.cjs"',
    'examples/deep/a.service': '[Service]',
    'init/lost.service': '[Service]',
    'bench/main.ts': "import '../src/low/low.ts';",
    'src/low/low.ts': 'export const low = 1;',
    'src/low/low.test.ts': "import { low } from './low.ts';",
    'src/low/alone.ts': 'export const alone = 1;',
    'src/high/high.ts': "import type { low } from '../low/low.ts';",
    'src/high/lazy.ts': "const high = await import('./high.ts');",
    'src/high/high.test.ts': "import { lazy } from './lazy.ts';",
    'src/cli/main.ts': "// bin/tool reads '../high/high.ts'\nimport { alone } from '../low/alone.ts';",
    'test/e2e/tool.test.ts': "const TOOL = path.join(import.meta.dirname, '../../bin/tool');",
    'test/e2e/examples.test.ts': "const EXAMPLES = path.resolve(import.meta.dirname, '../../examples');",
    'test/e2e/child.test.ts': "const CHILD = fileURLToPath(import.meta.resolve('./child.ts'));",
    'test/e2e/child.ts': 'process.exit()',
    'test/repo/docs.test.ts': "sources('src/low/low.ts')",
  }),
);
const ALL = [...FILES.keys()].filter((file) => file.endsWith('.test.ts')).sort();

const CASES: readonly (readonly [what: string, changed: string, tests: readonly string[], reason: string])[] = [
  [
    'files that import it, as a type, lazily and by way of others',
    'src/low/low.ts',
    ['src/high/high.test.ts', 'src/low/low.test.ts'],
    '2 test files, which import, name or start it',
  ],
  [
    'a test that starts the program it is built into',
    'src/low/alone.ts',
    ['test/e2e/tool.test.ts'],
    '1 test file, which import, name or start it',
  ],
  [
    'a test that starts it as a child',
    'test/e2e/child.ts',
    ['test/e2e/child.test.ts'],
    '1 test file, which import, name or start it',
  ],
  [
    'a test that reads its folder',
    'examples/deep/a.service',
    ['test/e2e/examples.test.ts'],
    '1 test file, which import, name or start it',
  ],
  ['itself', 'src/low/low.test.ts', ['src/low/low.test.ts'], '1 test file, which import, name or start it'],
  ['every test for what any may depend on', 'package.json', ALL, 'all tests, since any may depend on it'],
  [
    'the folder of a file that is gone',
    'src/low/gone.ts',
    ['src/low/low.test.ts'],
    '1 test file of src/low/, since it is gone',
  ],
  [
    'every test for a file that nothing names, in a folder without tests',
    'init/lost.service',
    ALL,
    'all tests, since no test imports, names or starts it and its folder has no test',
  ],
  ['the checks alone for a page', 'README.md', [], 'only test/repo/, which reads all files'],
  ['the checks alone for a benchmark', 'bench/main.ts', [], 'only test/repo/, since no test measures anything'],
];

for (const [what, changed, tests, reason] of CASES)
  test(`a change runs ${what}`, () => {
    assert.deepEqual(selectTests([changed], FILES), {
      tests: ALL.filter((file) => tests.includes(file) || file.startsWith('test/repo/')),
      reasons: [`${changed}: ${reason}`],
    });
  });

test('no change runs nothing, and several run what each does', () => {
  assert.deepEqual(selectTests([], FILES), { tests: [], reasons: [] });
  assert.deepEqual(selectTests(['src/low/low.test.ts', 'test/e2e/child.ts'], FILES).tests, [
    'src/low/low.test.ts',
    'test/e2e/child.test.ts',
    'test/repo/docs.test.ts',
  ]);
});

test('in this project each program is known to be built from its source', () => {
  const files = readProject(root);
  const machineTest = 'test/machines/install.test.ts';
  for (const source of ['src/cli/main.ts', 'src/daemon/main.ts', 'src/lab/index.ts', 'scripts/setup.sh'])
    assert.ok(selectTests([source], files).tests.includes('test/e2e/lab.test.ts'), source);
  assert.ok(selectTests(['src/daemon/main.ts'], files).tests.includes(machineTest));
  assert.ok(!selectTests(['src/model/glob.test.ts'], files).tests.includes(machineTest));
});

test('what git says has changed: edited, staged, new, deleted and committed files, not those of others', () => {
  const clone = mkdtempSync(path.join(tmpdir(), 'fl-changed-'));
  const git = (...args: string[]) =>
    execFileSync('git', ['-c', 'user.name=a', '-c', 'user.email=a@example.com', ...args], { cwd: clone });
  const write = (file: string, text: string) => writeFileSync(path.join(clone, file), text);
  try {
    git('init', '-q', '-b', 'main');
    write('.gitignore', 'ignored\n');
    for (const file of ['edited', 'staged', 'deleted', 'moved', 'kept']) write(file, file);
    git('add', '-A');
    git('commit', '-qm', 'first');
    git('checkout', '-qb', 'mine');
    write('committed', 'x');
    git('mv', 'moved', 'elsewhere');
    git('add', '-A');
    git('commit', '-qm', 'mine');
    git('checkout', '-q', 'main');
    write('of others', 'x');
    git('add', '-A');
    git('commit', '-qm', 'of others');
    git('checkout', '-q', 'mine');
    write('edited', 'anew');
    write('staged', 'anew');
    git('add', 'staged');
    rmSync(path.join(clone, 'deleted'));
    mkdirSync(path.join(clone, 'new folder'));
    write('new folder/näh.ts', 'x');
    write('ignored', 'x');
    assert.deepEqual(changedFiles(clone, 'HEAD'), ['deleted', 'edited', 'new folder/näh.ts', 'staged']);
    assert.deepEqual(changedFiles(clone, 'main'), [
      'committed',
      'deleted',
      'edited',
      'elsewhere',
      'moved',
      'new folder/näh.ts',
      'staged',
    ]);
    assert.throws(() => changedFiles(clone, 'nowhere'), /git merge-base nowhere HEAD failed: .*nowhere/);
  } finally {
    rmSync(clone, { recursive: true, force: true });
  }
});

test('npm test -- --changed refuses a commit that is not there, and a folder', () => {
  const run = (...args: string[]) => {
    const env = { ...process.env, NODE_TEST_CONTEXT: undefined };
    return spawnSync(process.execPath, ['scripts/test.ts', ...args], { cwd: root, encoding: 'utf8', env });
  };
  const nowhere = run('--changed', 'nowhere');
  assert.equal(nowhere.status, 2);
  assert.match(nowhere.stderr, /^"nowhere" is no commit: .*\n$/);
  const folder = run('--changed', 'HEAD', 'src');
  assert.equal(folder.status, 2);
  assert.match(folder.stderr, /^--changed takes one commit at most\n$/);
});
