/** `npm run check [-- --static]`: every rule of the project that a computer can check, then the tests (not with --static). */
import { spawn } from 'node:child_process';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { closingLine, findTests, root, runTests, unskipLines } from './run-tests.ts';

const bin = (name: string): string => path.join(root, 'node_modules/.bin', name);
/** tsc checks only what its last run here has not: with this, 1 s of 4. */
const TYPES_CACHE = path.join(root, 'node_modules/.cache/check.tsbuildinfo');

const CHECKS: readonly { readonly name: string; readonly command: readonly string[] }[] = [
  { name: 'types (tsc)', command: [bin('tsc'), '-p', '.', '--incremental', '--tsBuildInfoFile', TYPES_CACHE] },
  { name: 'format and lint (biome)', command: [bin('biome'), 'check', '--error-on-warnings', '.'] },
  { name: 'dead code and unused dependencies (knip)', command: [bin('knip'), '--no-progress'] },
];

/** Runs one tool under this Node and shows its output only when it found something. */
async function passes({ name, command }: (typeof CHECKS)[number]): Promise<boolean> {
  const startedAt = performance.now();
  const env = { ...process.env, PATH: `${path.dirname(process.execPath)}:${process.env['PATH']}` };
  const child = spawn(command[0]!, command.slice(1), { cwd: root, env, stdio: ['ignore', 'pipe', 'pipe'] });
  const ended = new Promise<number | Error | null>((resolve) => child.on('close', resolve).on('error', resolve));
  const [out, err, result] = await Promise.all([text(child.stdout), text(child.stderr), ended]);
  const ok = result === 0;
  console.log(`${ok ? '✔' : '✘'} ${name}  ${((performance.now() - startedAt) / 1000).toFixed(1)} s`);
  if (!ok) console.log(result instanceof Error ? result.message : `${out}${err}`);
  return ok;
}

const strict = process.env['CI'] === 'true';
const others = process.argv.includes('--static') ? [] : findTests(['src', 'test/contract', 'test/sim']);
// The tools and the repository's own tests use one core each for most of their time: side by side they take half of it.
const [tools, ...tallies] = await Promise.all([
  Promise.all(CHECKS.map(passes)),
  runTests(findTests(['test/repo']), { strict }),
]);
if (others.length > 0) tallies.push(await runTests(others, { strict }));

const sum = (count: (tally: (typeof tallies)[number]) => number): number =>
  tallies.reduce((all, tally) => all + count(tally), 0);
const good = tools.filter(Boolean).length;
const tally = {
  passed: sum(({ passed }) => passed) + good,
  failed: sum(({ failed }) => failed) + tools.length - good,
  skipped: sum(({ skipped }) => skipped),
  reasons: tallies.flatMap(({ reasons }) => reasons),
};
for (const line of unskipLines(tally.reasons)) console.log(line);
console.log(closingLine(tally));
// As in test.ts: nothing may hold the check.
process.exit(tally.failed > 0 ? 1 : 0);
