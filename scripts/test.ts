/** `npm test [-- [--name PATTERN] FOLDER-OR-FILE…]`: all tests, or those below the given paths. */
import { parseArgs } from 'node:util';
import { closingLine, findTests, runTests, unskipLines } from './run-tests.ts';

const { values, positionals } = parseArgs({ allowPositionals: true, options: { name: { type: 'string' } } });
const files = findTests(positionals.length > 0 ? positionals : ['src', 'test', 'bench', 'scripts']);
const tally = await runTests(files, {
  strict: process.env['CI'] === 'true',
  ...(values.name === undefined ? {} : { name: values.name }),
});
if (tally.passed + tally.failed === 0) console.log('✘ no test ran');
for (const line of unskipLines(tally.reasons)) console.log(line);
console.log(closingLine(tally));
process.exitCode = tally.failed > 0 || tally.passed === 0 ? 1 : 0;
