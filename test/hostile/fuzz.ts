import path from 'node:path';
import fc from 'fast-check';

/** The seed of every fuzzer in this process: `npm run hostile` sets it, CI uses 1 so that a commit's verdict repeats. */
export const SEED: number = Number(process.env['HOSTILE_SEED'] ?? 1);

export interface FuzzOptions {
  /** Inputs to try; a suite of a few minutes has room for about 5 s per fuzzer. */
  readonly runs: number;
  /** The test file to name in the command that repeats a failure. */
  readonly file?: string;
}

/**
 * Runs `check` on inputs drawn from `input`. Rejects with the smallest failing input that was found, and with the command
 * that finds it again.
 */
export async function fuzz<T>(
  input: fc.Arbitrary<T>,
  check: (input: T) => Promise<void> | void,
  { runs, file = process.argv[1]! }: FuzzOptions,
): Promise<void> {
  const details = await fc.check(
    fc.asyncProperty(input, async (drawn) => check(drawn)),
    { seed: SEED, numRuns: runs },
  );
  if (!details.failed) return;
  const command = `npm run hostile -- --seed ${SEED} ${path.relative(process.cwd(), file)}`;
  const cause = details.errorInstance instanceof Error ? details.errorInstance : undefined;
  const found = `input ${fc.stringify(details.counterexample?.[0])}: ${cause?.message ?? 'failed'}`;
  throw new Error(`${found}\n  again: ${command}\n${cause?.stack ?? ''}`);
}
