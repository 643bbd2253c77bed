/** One `Name=value` line of a unit file, with the section it stands in. */
export interface UnitOption {
  readonly section: string;
  readonly name: string;
  /** As written; a continued line keeps backslash and newline (use `unfold` to read it). */
  readonly value: string;
}

/** A problem in a unit file: `line` counts from 1, 0 when it belongs to no line. */
export interface UnitProblem {
  readonly line: number;
  readonly message: string;
  /** A unit with warnings only is accepted. */
  readonly severity: 'error' | 'warning';
}
