/** The parts of its process that the lab's commands use. */
export interface LabIo {
  /** Results and progress. */
  out(text: string): void;
  /** Warnings and errors. */
  err(text: string): void;
  readonly env: Readonly<Record<string, string | undefined>>;
}
