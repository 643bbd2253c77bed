/**
 * `npm test [-- [--name PATTERN] FOLDER-OR-FILE…]`: all tests, or those below the given paths. `npm test -- --changed [REF]`:
 * those that the changes since REF can affect, or since the last commit.
 */
import { parseArgs } from 'node:util';
import { changedFiles, readProject, selectTests } from './changed-tests.ts';
import { closingLine, findTests, root, runTests, unskipLines } from './run-tests.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { name: { type: 'string' }, changed: { type: 'boolean' } },
});

/** The test files to run; undefined after a sentence on stderr when the arguments are of no use. */
function chosenFiles(): readonly string[] | undefined {
  if (!values.changed) return findTests(positionals.length > 0 ? positionals : ['src', 'test', 'bench', 'scripts']);
  const [ref = 'HEAD', ...others] = positionals;
  if (others.length > 0) {
    console.error('--changed takes one commit at most');
    return undefined;
  }
  let changed: readonly string[];
  try {
    changed = changedFiles(root, ref);
  } catch (error) {
    console.error(`"${ref}" is no commit: ${(error as Error).message}`);
    return undefined;
  }
  const { tests, reasons } = selectTests(changed, readProject(root));
  console.log(changed.length === 0 ? `Nothing has changed since ${ref}` : `Changed since ${ref}:`);
  for (const reason of reasons) console.log(`  ${reason}`);
  return findTests(tests);
}

const files = chosenFiles();
if (files === undefined) {
  process.exitCode = 2;
} else if (files.length > 0 || !values.changed) {
  const tally = await runTests(files, {
    strict: process.env['CI'] === 'true',
    ...(values.name === undefined ? {} : { name: values.name }),
  });
  if (tally.passed + tally.failed === 0) console.log('✘ no test ran');
  for (const line of unskipLines(tally.reasons)) console.log(line);
  console.log(closingLine(tally));
  // A leftover that cannot be found would hold the runner too, by the output of its test file.
  process.exit(tally.failed > 0 || tally.passed === 0 ? 1 : 0);
}
