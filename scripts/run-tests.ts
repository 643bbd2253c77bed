/** Runs test files with node:test, one process each, and tells what happened in a form that people and CI can read. */
import type { AssertionError } from 'node:assert';
import { globSync, readFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { run } from 'node:test';
import { inspect } from 'node:util';

/** The clone this script belongs to. */
export const root: string = path.resolve(import.meta.dirname, '..');

export interface Tally {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  /** Why those were skipped, each reason as often as it was given. */
  readonly reasons: readonly string[];
}

export interface RunTestsOptions {
  /** Run only tests whose name matches. */
  readonly name?: string;
  /** Skipped tests count as failed: in CI everything has to be there. */
  readonly strict: boolean;
}

/** No test file may take longer: one that hangs must not hold everything up until somebody looks. */
const FILE_LIMIT_MS = 240_000;
/** Of one failure, as many lines are printed. */
const FAILURE_LINES = 120;

/** One event of node:test, as far as it is used here. */
interface TestEvent {
  readonly name: string;
  readonly file?: string;
  readonly nesting: number;
  readonly skip?: string | boolean;
  readonly todo?: string | boolean;
  readonly details: { readonly type?: string; readonly duration_ms: number; readonly error?: Error };
}

interface TestSummary {
  /** Absent in the summary of all files. */
  readonly file?: string;
  readonly duration_ms: number;
  readonly counts: { readonly tests: number };
}

interface FileResult {
  passed: number;
  ms: number;
  readonly failures: { readonly name: string; readonly error: unknown }[];
  readonly skips: { readonly name: string; readonly reason: string }[];
}

/** Test files below the given folders, the slow end-to-end ones first so that they do not run alone at the end. */
export function findTests(folders: readonly string[]): string[] {
  const patterns = folders.flatMap((at) => (at.endsWith('.ts') ? [at] : [path.join(at, '**/*.test.ts')]));
  const files = globSync(patterns, { cwd: root, exclude: (name) => name === 'node_modules' });
  return files.sort((a, b) => rank(a) - rank(b) || a.localeCompare(b));
}

function rank(file: string): number {
  const order = ['test/e2e/', 'test/', 'src/'];
  const at = order.findIndex((prefix) => file.startsWith(prefix));
  return at < 0 ? order.length : at;
}

/** Runs the files and prints one line for each, every failure, and every skip with its reason. */
export async function runTests(files: readonly string[], options: RunTestsOptions): Promise<Tally> {
  const results = new Map<string, FileResult>(
    files.map((file) => [file, { passed: 0, ms: 0, failures: [], skips: [] }]),
  );
  // Tests that several files share are reported under the file that defines them, which is none of those that run.
  const resultOf = (event: TestEvent) => {
    const file = path.relative(root, event.file ?? event.name);
    if (!results.has(file)) results.set(file, { passed: 0, ms: 0, failures: [], skips: [] });
    return results.get(file)!;
  };
  const holdsTests = new Set<string>();
  const output = new Map<string, string>();
  const unprinted = new Set(files);
  const print = (file: string): void => {
    if (unprinted.delete(file)) printFile(file, results.get(file)!, output.get(path.join(root, file)) ?? '');
    output.delete(path.join(root, file));
  };
  const stream = run({
    files: files.map((file) => path.join(root, file)),
    cwd: root,
    concurrency: Math.max(2, os.availableParallelism()),
    ...(options.name === undefined ? {} : { testNamePatterns: [options.name] }),
  });
  stream.on('test:pass', (event: TestEvent) => record(event, resultOf(event)));
  stream.on('test:fail', (event: TestEvent) => record(event, resultOf(event)));
  for (const kind of ['test:stderr', 'test:stdout'] as const)
    stream.on(kind, ({ file, message }: { file: string; message: string }) =>
      output.set(file, `${output.get(file) ?? ''}${message}`.slice(-20_000)),
    );
  stream.on('test:summary', ({ file, duration_ms, counts }: TestSummary) => {
    if (file === undefined) return;
    const relative = path.relative(root, file);
    if (counts.tests > 0) holdsTests.add(relative);
    results.get(relative)!.ms = duration_ms;
    print(relative);
  });
  const stopWatching = killSlowChildren((pid) =>
    console.log(`✘ process ${pid} took longer than ${FILE_LIMIT_MS / 1000} s and was killed`),
  );
  stream.resume();
  await new Promise((resolve, reject) => stream.on('close', resolve).on('error', reject));
  stopWatching();
  // A file that crashed, hung or held no test ends without a summary.
  for (const file of [...unprinted]) print(file);
  for (const [file, result] of results) if (!files.includes(file)) printFile(file, result, '');
  const empty = options.name === undefined ? files.filter((file) => !holdsTests.has(file)) : [];
  return summarize(results, empty, options);
}

/**
 * Kills test files that do not end: node:test limits tests, but not a file whose tests are over and which is held by
 * something that was left open. Answers the function that ends this.
 */
function killSlowChildren(onKill: (pid: number) => void): () => void {
  let seenAt = new Map<number, number>();
  const look = () => {
    const children = readFileSync(`/proc/self/task/${process.pid}/children`, 'utf8').match(/\d+/g) ?? [];
    // Only those that are there now: the kernel gives the numbers of the others away again.
    seenAt = new Map(children.map(Number).map((pid) => [pid, seenAt.get(pid) ?? performance.now()]));
    for (const [pid, since] of seenAt) {
      if (performance.now() - since < FILE_LIMIT_MS) continue;
      onKill(pid);
      process.kill(pid, 'SIGKILL');
    }
  };
  const timer = setInterval(look, 1000);
  return () => clearInterval(timer);
}

function record(event: TestEvent, result: FileResult): void {
  const { error } = event.details;
  if (event.skip !== undefined && event.skip !== false) {
    result.skips.push({
      name: event.name,
      reason: event.skip === true || event.skip === '' ? 'no reason given' : event.skip,
    });
  } else if (error !== undefined) {
    // A suite fails because a test in it did; that one is counted.
    const inner = (error as { failureType?: string }).failureType;
    if (inner !== 'subtestsFailed') result.failures.push({ name: event.name, error });
  } else if (event.details.type !== 'suite' && !(event.nesting === 0 && path.isAbsolute(event.name))) {
    result.passed++;
  }
}

function printFile(file: string, { passed, ms, failures, skips }: FileResult, output: string): void {
  const mark = failures.length > 0 ? '✘' : '✔';
  const skipped = skips.length > 0 ? `, ${skips.length} skipped` : '';
  console.log(`${mark} ${file}  ${passed} passed${skipped}  ${(ms / 1000).toFixed(1)} s`);
  for (const { name, error } of failures) console.log(`\n  ✘ ${name}\n${indent(describe(error))}\n`);
  if (failures.length > 0 && output !== '') console.log(`  output of ${file}:\n${indent(output)}\n`);
}

/** The error a test threw stands as the cause of the one node:test reports. */
function describe(error: unknown): string {
  const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
  const told = cause instanceof Error ? (cause.stack ?? cause.message) : String(cause);
  // Where a test gave a message of its own, that stands in the place of what was compared.
  const { code, generatedMessage, actual, expected } = cause as Partial<AssertionError>;
  const hidden = code === 'ERR_ASSERTION' && generatedMessage === false;
  return shortened(hidden ? `${told}\nactual: ${inspect(actual)}\nexpected: ${inspect(expected)}` : told);
}

/** A comparison of long lists may take ten thousand lines, and what was wrong stands in the first and the last of them. */
function shortened(text: string): string {
  const lines = text.split('\n');
  if (lines.length <= FAILURE_LINES) return text;
  const half = FAILURE_LINES / 2;
  return [...lines.slice(0, half), `… ${lines.length - 2 * half} more lines …`, ...lines.slice(-half)].join('\n');
}

function indent(text: string): string {
  return text.trimEnd().replace(/^/gm, '      ');
}

function summarize(
  results: ReadonlyMap<string, FileResult>,
  empty: readonly string[],
  { strict }: RunTestsOptions,
): Tally {
  let passed = 0;
  let failed = 0;
  const reasons: string[] = [];
  for (const [file, result] of results) {
    passed += result.passed;
    failed += result.failures.length;
    for (const { name: test, reason } of result.skips) {
      console.log(`${strict ? '✘ skipped, which counts as failed here' : '- skipped'}: ${file}: ${test} (${reason})`);
      if (strict) failed++;
      else reasons.push(reason);
    }
  }
  for (const file of empty) {
    const { failures, skips } = results.get(file)!;
    if (failures.length + skips.length > 0) continue;
    console.log(`✘ ${file}: ran no test`);
    failed++;
  }
  return { passed, failed, skipped: reasons.length, reasons };
}

/** The closing line that people and CI look for. */
export function closingLine({ passed, failed, skipped }: Tally): string {
  return `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`;
}

/** What a person can do so that nothing is skipped: the one line that installs all that was missing, and who has to run it. */
export function unskipLines(reasons: readonly string[]): string[] {
  const packages = new Set(
    reasons.flatMap(
      (reason) => /apt(?:-get)? install ([a-z0-9][a-z0-9+. -]*)/.exec(reason)?.[1]?.trim().split(/ +/) ?? [],
    ),
  );
  const rootOnly = reasons.filter((reason) => /\broot\b/.test(reason)).length;
  return [
    ...(packages.size > 0 ? [`To run what was skipped: apt-get install ${[...packages].sort().join(' ')}`] : []),
    ...(rootOnly > 0 ? [`To run ${rootOnly} of what was skipped: become root`] : []),
  ];
}
