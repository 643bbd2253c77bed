/** Which test files a change can affect: `npm test -- --changed [REF]`. */
import { spawnSync } from 'node:child_process';
import { readFileSync, statSync } from 'node:fs';
import path from 'node:path';

/** Text of each file of the project, by its path relative to the clone. */
export type ProjectFiles = ReadonlyMap<string, string>;

export interface Selection {
  /** Test files to run, each once, in the order of their paths. */
  readonly tests: readonly string[];
  /** One line for each changed file: what it makes run, and why. */
  readonly reasons: readonly string[];
}

/** A change of these can change the outcome of any test. */
const EVERYTHING: ReadonlySet<string> = new Set([
  'package.json',
  'package-lock.json',
  'tsconfig.json',
  '.npmrc',
  'scripts/leftovers.ts',
  'scripts/run-tests.ts',
  'scripts/test.ts',
  'scripts/run.sh',
]);
/** These tests read every file of the project. */
const READ_ALL = 'test/repo/';
/** The repository's own tests and checks are all that reads these. */
const READ_BY_CHECKS = /\.md$|^(LICENSE|\.gitignore|biome\.json|knip\.json|docs\/.*|\.ci\/.*)$/;
/** What a built program is made of (scripts/build.ts). */
const BUILT: Readonly<Record<string, string>> = {
  'dist/fleetctl.cjs': 'src/cli/main.ts',
  'dist/fleetctl-main.cjs': 'src/cli/main.ts',
  'dist/lab.cjs': 'src/lab/index.ts',
  'dist/fleetd.cjs': 'src/daemon/main.ts',
  'dist/fleetd-main.cjs': 'src/daemon/main.ts',
};

/** Selects the tests that `changed` can affect. A changed file that `files` lacks has been deleted. */
export function selectTests(changed: readonly string[], files: ProjectFiles): Selection {
  const allTests = [...files.keys()].filter((file) => file.endsWith('.test.ts')).sort();
  const readAll = allTests.filter((file) => file.startsWith(READ_ALL));
  const users = usersOf(files);
  const chosen = new Set(changed.length > 0 ? readAll : []);
  const reasons = changed.map((file) => {
    const { tests, why } = affectedBy(file, { files, allTests, users });
    for (const test of tests) chosen.add(test);
    return `${file}: ${why}`;
  });
  return { tests: allTests.filter((file) => chosen.has(file)), reasons };
}

interface Graph {
  readonly files: ProjectFiles;
  readonly allTests: readonly string[];
  readonly users: ReadonlyMap<string, ReadonlySet<string>>;
}

function affectedBy(file: string, graph: Graph): { readonly tests: readonly string[]; readonly why: string } {
  const { files, allTests, users } = graph;
  if (EVERYTHING.has(file)) return { tests: allTests, why: 'all tests, since any may depend on it' };
  const reached = reach(file, users);
  const tests = allTests.filter((test) => reached.has(test));
  if (tests.length > 0) return { tests, why: `${counted(tests.length)}, which import, name or start it` };
  if (READ_BY_CHECKS.test(file)) return { tests: [], why: `only ${READ_ALL}, which reads all files` };
  const why = files.has(file) ? 'no test imports, names or starts it' : 'it is gone';
  for (let folder = path.posix.dirname(file); folder !== '.'; folder = path.posix.dirname(folder)) {
    const inside = allTests.filter((test) => test.startsWith(`${folder}/`));
    if (inside.length > 0) return { tests: inside, why: `${counted(inside.length)} of ${folder}/, since ${why}` };
  }
  if (file.startsWith('bench/')) return { tests: [], why: `only ${READ_ALL}, since no test measures anything` };
  return { tests: allTests, why: `all tests, since ${why} and its folder has no test` };
}

const counted = (count: number): string => (count === 1 ? '1 test file' : `${count} test files`);

/** The file and all that use it, directly or by way of others. */
function reach(file: string, users: Graph['users']): ReadonlySet<string> {
  const reached = new Set([file]);
  for (const at of reached) for (const user of users.get(at) ?? []) reached.add(user);
  return reached;
}

/** For each file of the project, the files that name it. */
function usersOf(files: ProjectFiles): ReadonlyMap<string, ReadonlySet<string>> {
  const folders = foldersOf(files);
  const users = new Map<string, Set<string>>();
  // A test that reads all files names some for other reasons.
  for (const [file, text] of files)
    for (const used of file.startsWith(READ_ALL) ? [] : usedBy(file, text, files, folders)) {
      if (!users.has(used)) users.set(used, new Set());
      users.get(used)!.add(file);
    }
  return users;
}

/**
 * The files that a text names. Product code imports others. Tests and scripts also start programs and read files, so that any
 * path in them counts which leads to a file from their folder or from the clone, and in tests one that leads to a folder.
 */
function usedBy(file: string, text: string, files: ProjectFiles, folders: ReadonlyMap<string, string[]>): Set<string> {
  const used = new Set<string>();
  if (READ_BY_CHECKS.test(file) || EVERYTHING.has(file)) return used;
  const lines = text.split('\n').filter((line) => !/^ *(\/?\*|\/\/)/.test(line));
  const code = lines.join('\n').replace(/\$\{?\w+\}?\//g, ' ');
  const isProduct = file.startsWith('src/') && !/\.test\.ts$|\/test-/.test(file);
  const paths = isProduct ? /(?<=\bfrom '|\bimport '|\bimport\(\s*')[^']+/g : /(?:\.{1,2}\/)*[\w@.-]+(?:\/[\w@.-]+)*/g;
  for (const [token] of code.matchAll(paths)) {
    if (!/\/|\.[a-z]{2,}$/.test(token)) continue;
    for (const base of [path.posix.dirname(file), '.']) {
      const target = path.posix.join(base, token);
      const found = BUILT[target] ?? target;
      if (files.has(found)) used.add(found);
      // A folder that holds the text itself is named to find another one from there.
      else if (file.startsWith('test/') && token.includes('/') && !file.startsWith(`${target}/`))
        for (const inside of folders.get(target) ?? []) used.add(inside);
    }
  }
  used.delete(file);
  return used;
}

/** The files below each folder. */
function foldersOf(files: ProjectFiles): Map<string, string[]> {
  const folders = new Map<string, string[]>();
  for (const file of files.keys())
    for (let folder = path.posix.dirname(file); folder !== '.'; folder = path.posix.dirname(folder)) {
      if (!folders.has(folder)) folders.set(folder, []);
      folders.get(folder)!.push(file);
    }
  return folders;
}

/** The files that git knows or that are new, as they are on disk. */
export function readProject(root: string): ProjectFiles {
  const inGit = git(root, ['ls-files', '-z', '--cached', '--others', '--exclude-standard']);
  return new Map(
    inGit
      .filter((file) => statSync(path.join(root, file), { throwIfNoEntry: false })?.isFile())
      .map((file) => [file, readFileSync(path.join(root, file), 'utf8')]),
  );
}

/** Files that differ from where this branch left `ref`, new and deleted ones among them. */
export function changedFiles(root: string, ref: string): string[] {
  const [base] = git(root, ['merge-base', ref, 'HEAD'], '\n');
  const changed = git(root, ['diff', '--name-only', '--no-renames', '-z', base!]);
  const added = git(root, ['ls-files', '-z', '--others', '--exclude-standard']);
  return [...new Set([...changed, ...added])].sort();
}

function git(root: string, args: readonly string[], separator = '\0'): string[] {
  const { status, stdout, stderr, error } = spawnSync('git', args, { cwd: root, encoding: 'utf8', maxBuffer: 1 << 26 });
  if (status !== 0) throw new Error(`git ${args.join(' ')} failed: ${error?.message ?? stderr.trim()}`);
  return stdout.split(separator).filter((item) => item !== '');
}
