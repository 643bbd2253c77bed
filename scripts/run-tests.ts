/** Runs test files with node:test, one process each, and tells what happened in a form that people and CI can read. */
import type { AssertionError } from 'node:assert';
import { once } from 'node:events';
import { globSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { run } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { inspect } from 'node:util';
import { kill, TestProcesses } from './leftovers.ts';

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

/** Each test file, and each daemon that it starts from source, loads the same hundreds of modules: Node keeps them compiled. */
const COMPILE_CACHE = path.join(root, 'dist/compile-cache');
/** No test file may take longer: one that hangs must not hold everything up until somebody looks. */
const FILE_LIMIT_MS = 240_000;
/** How often to look which processes a running test file has. */
const LOOK_EVERY_MS = 500;
/** How long the output of a test file may stay open when all its processes have ended. */
const OUTPUT_LIMIT_MS = 5000;
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
  holdsTests: boolean;
  /** The end of what it printed. */
  output: string;
  readonly failures: { readonly name: string; readonly error: unknown }[];
  readonly skips: { readonly name: string; readonly reason: string }[];
}

/**
 * Test files below the given folders. The slow ones come first so that none of them runs alone at the end, those that mostly
 * wait for machines in turn with those that keep the processor busy.
 */
export function findTests(folders: readonly string[]): string[] {
  const patterns = folders.flatMap((at) => (at.endsWith('.ts') ? [at] : [path.join(at, '**/*.test.ts')]));
  const files = globSync(patterns, { cwd: root, exclude: (name) => name === 'node_modules' });
  const ranked = Map.groupBy(files.sort(), rank);
  const [machines = [], endToEnd = []] = [ranked.get(0), ranked.get(1)];
  const slow = Array.from({ length: Math.max(machines.length, endToEnd.length) }, (_, at) => [
    machines[at],
    endToEnd[at],
  ]);
  return [...slow.flat().filter((file) => file !== undefined), ...[2, 3, 4].flatMap((at) => ranked.get(at) ?? [])];
}

function rank(file: string): number {
  const order = ['test/machines/', 'test/e2e/', 'test/', 'src/'];
  const at = order.findIndex((prefix) => file.startsWith(prefix));
  return at < 0 ? order.length : at;
}

/** Runs the files and prints one line for each, every failure, and every skip with its reason. */
export async function runTests(files: readonly string[], options: RunTestsOptions): Promise<Tally> {
  const processes = new TestProcesses();
  const results = new Map<string, FileResult>();
  const waiting = [...files];
  const lane = async (take: () => string | undefined) => {
    for (let file = take(); file !== undefined; file = take()) {
      const result = await runFile(file, processes, options);
      results.set(file, result);
      printFile(file, result);
    }
  };
  const forward = Array.from({ length: os.availableParallelism() }, () => lane(() => waiting.shift()));
  // Slow tests wait much of their time, which one more lane fills with the short ones.
  await Promise.all([...forward, lane(() => waiting.pop())]);
  return summarize(results, options);
}

async function runFile(file: string, processes: TestProcesses, { name }: RunTestsOptions): Promise<FileResult> {
  const result: FileResult = { passed: 0, ms: 0, holdsTests: false, output: '', failures: [], skips: [] };
  const stream = run({
    files: [path.join(root, file)],
    cwd: root,
    env: { NODE_COMPILE_CACHE: COMPILE_CACHE, ...processes.environmentFor(file) },
    ...(name === undefined ? {} : { testNamePatterns: [name] }),
  });
  stream.on('test:pass', (event: TestEvent) => record(event, result));
  stream.on('test:fail', (event: TestEvent) => record(event, result));
  for (const kind of ['test:stderr', 'test:stdout'] as const)
    stream.on(kind, ({ message }: { message: string }) => {
      result.output = `${result.output}${message}`.slice(-20_000);
    });
  stream.on('test:summary', (summary: TestSummary) => {
    if (summary.file === undefined) return;
    result.holdsTests = summary.counts.tests > 0;
    result.ms = summary.duration_ms;
  });
  stream.resume();
  const closed = once(stream, 'close').then(() => true);
  await fileEnd(file, processes, closed, () => result.ms > 0);
  const left = (await processes.end(file)).map((process) => `${file} left ${process}`);
  if (!(await Promise.race([closed, sleep(OUTPUT_LIMIT_MS, false, { ref: false })])))
    left.push(`${file} left a process that nothing shows to be of it, and that holds its output open`);
  if (left.length > 0) result.failures.push({ name: 'leaves no process behind', error: left.join('\n') });
  return result;
}

/**
 * Waits until a test file has ended. The stream of node:test closes then, unless a leftover of the file holds its output, so
 * that the file is also over when its own process is gone. node:test limits tests, but not a file whose tests are over and
 * which something left open holds: at the limit the file is killed.
 */
async function fileEnd(
  file: string,
  processes: TestProcesses,
  closed: Promise<unknown>,
  testsOver: () => boolean,
): Promise<void> {
  const limit = performance.now() + FILE_LIMIT_MS;
  let over = false;
  const end = closed.finally(() => (over = true));
  while (!over) {
    processes.look();
    const all = processes.of(file);
    const own = all.find(({ ppid }) => ppid === process.pid);
    if (own === undefined && (all.length > 0 || testsOver())) return;
    if (performance.now() > limit) {
      console.log(`✘ ${file} took longer than ${FILE_LIMIT_MS / 1000} s and was killed`);
      if (own !== undefined) kill(own.pid);
      return;
    }
    await Promise.race([end, sleep(LOOK_EVERY_MS)]);
  }
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

function printFile(file: string, { passed, ms, failures, skips, output }: FileResult): void {
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

function summarize(results: ReadonlyMap<string, FileResult>, { strict, name }: RunTestsOptions): Tally {
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
    const empty = !result.holdsTests && result.failures.length + result.skips.length === 0;
    if (!empty || name !== undefined) continue;
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
