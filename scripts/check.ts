/** `npm run check [-- --static]`: every rule of the project that a computer can check, then the tests (not with --static). */
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { closingLine, findTests, root, runTests, unskipLines } from './run-tests.ts';

const bin = (name: string): string => path.join(root, 'node_modules/.bin', name);

const CHECKS: readonly { readonly name: string; readonly command: readonly string[] }[] = [
  { name: 'types (tsc)', command: [bin('tsc'), '-p', '.'] },
  { name: 'format and lint (biome)', command: [bin('biome'), 'check', '--error-on-warnings', '.'] },
  { name: 'dead code and unused dependencies (knip)', command: [bin('knip'), '--no-progress'] },
];

/** Runs one tool under this Node and shows its output only when it found something. */
function passes({ name, command }: (typeof CHECKS)[number]): boolean {
  const startedAt = performance.now();
  const env = { ...process.env, PATH: `${path.dirname(process.execPath)}:${process.env['PATH']}` };
  const { status, stdout, stderr, error } = spawnSync(command[0]!, command.slice(1), {
    cwd: root,
    encoding: 'utf8',
    env,
  });
  const ok = status === 0;
  console.log(`${ok ? '✔' : '✘'} ${name}  ${((performance.now() - startedAt) / 1000).toFixed(1)} s`);
  if (!ok) console.log(error?.message ?? `${stdout}${stderr}`);
  return ok;
}

const good = CHECKS.filter(passes).length;
const folders = process.argv.includes('--static') ? ['test/repo'] : ['test/repo', 'src', 'test/contract', 'test/sim'];
const tests = await runTests(findTests(folders), { strict: process.env['CI'] === 'true' });
const tally = { ...tests, passed: tests.passed + good, failed: tests.failed + CHECKS.length - good };
for (const line of unskipLines(tally.reasons)) console.log(line);
console.log(closingLine(tally));
process.exitCode = tally.failed > 0 ? 1 : 0;
