/** `npm run sim -- --seeds N [--from S]`, or `--seed S [--trace]` for one. */
import { parseArgs } from 'node:util';
import { runSeed } from './run-seed.ts';
import type { Mutant } from './store-client.ts';

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '200' },
    from: { type: 'string', default: '1' },
    seed: { type: 'string' },
    trace: { type: 'boolean', default: false },
    mutant: { type: 'string' },
  },
});
const mutant = values.mutant as Mutant | undefined;
const from = Number(values.seed ?? values.from);
const count = values.seed ? 1 : Number(values.seeds);
const trace = values.trace ? (line: string) => console.log(line) : undefined;
const startMs = performance.now();
let commits = 0;
let failed = 0;
for (let seed = from; seed < from + count; seed++) {
  try {
    commits += (await runSeed(seed, { mutant, trace })).commits;
  } catch (error) {
    failed++;
    const again = `npm run sim -- --seed ${seed}${mutant ? ` --mutant ${mutant}` : ''} --trace`;
    console.error(`seed ${seed}: ${error instanceof Error ? error.message : error}\n  again: ${again}`);
  }
}
const seconds = ((performance.now() - startMs) / 1000).toFixed(1);
console.log(`${count - failed} of ${count} seeds passed: ${commits} commits checked in ${seconds} s`);
process.exitCode = failed > 0 ? 1 : 0;
