/** `npm run hostile [-- [--minutes N] [--seed S] [FILE…]]`: the hostile suite once, or with fresh seeds for that long. */
import { parseArgs } from 'node:util';
import { closingLine, findTests, runTests, type Tally, unskipLines } from '../../scripts/run-tests.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { minutes: { type: 'string', default: '0' }, seed: { type: 'string' } },
});
const minutes = Number(values.minutes);
const first = Number(values.seed ?? 1);
if (!(minutes >= 0) || !Number.isSafeInteger(first)) {
  console.error('usage: npm run hostile -- [--minutes NUMBER] [--seed INTEGER] [FILE…]');
  process.exit(2);
}
const files = findTests(positionals.length > 0 ? positionals : ['test/hostile']);
const until = performance.now() + minutes * 60_000;
let tally: Tally = { passed: 0, failed: 0, skipped: 0, reasons: [] };
let seed = first;
for (;;) {
  console.log(`seed ${seed}`);
  process.env['HOSTILE_SEED'] = String(seed);
  const round = await runTests(files, { strict: process.env['CI'] === 'true' });
  tally = {
    passed: tally.passed + round.passed,
    failed: tally.failed + round.failed,
    skipped: tally.skipped + round.skipped,
    reasons: round.reasons,
  };
  if (round.failed > 0) console.log(`again: npm run hostile -- --seed ${seed} ${positionals.join(' ')}`.trimEnd());
  if (performance.now() >= until) break;
  seed = Math.floor(Math.random() * 2 ** 31);
}
for (const line of unskipLines(tally.reasons)) console.log(line);
console.log(closingLine(tally));
process.exitCode = tally.failed > 0 || tally.passed === 0 ? 1 : 0;
