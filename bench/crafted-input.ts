/** One crafted input: `prepare` makes it anew for each run, and of the steps that it returns the longest counts. */
export interface CraftedInput {
  readonly name: string;
  readonly prepare: () => (() => unknown) | Iterator<void>;
  /** Parsed as JSON for the floor. */
  readonly text?: string;
}

export const listOf = <T>(count: number, of: (i: number) => T): T[] => Array.from({ length: count }, (_, i) => of(i));
