/** What the lab's commands may touch of the process they run in. */
export interface LabIo {
  /** Results and progress. */
  out(text: string): void;
  /** Warnings and errors. */
  err(text: string): void;
  readonly env: Readonly<Record<string, string | undefined>>;
}
