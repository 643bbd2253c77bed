import type { Clock } from '../../lib/index.ts';
import { LogWriter } from './journal/index.ts';
import type { SupervisorDirectory } from './state-directory.ts';

/** Logs kept of units that are not held any more. */
const KEPT_LOGS = 200;

/** The open logs of the units held here. */
export class UnitLogs {
  readonly #directory: SupervisorDirectory;
  readonly #options: { readonly clock: Clock; readonly maxFileBytes: number };
  readonly #writers = new Map<string, LogWriter>();

  constructor(directory: SupervisorDirectory, options: { readonly clock: Clock; readonly maxFileBytes: number }) {
    this.#directory = directory;
    this.#options = options;
  }

  writerOf(unit: string): LogWriter {
    let writer = this.#writers.get(unit);
    if (writer === undefined) {
      writer = new LogWriter(this.#directory.logDirectory(unit), this.#options);
      this.#writers.set(unit, writer);
    }
    return writer;
  }

  /** Appends a line of the supervisor's own. */
  say(unit: string, text: string): void {
    this.writerOf(unit).append('supervisor', process.pid, 'fleetd', Buffer.from(text));
  }

  close(unit: string): void {
    this.#writers.get(unit)?.close();
    this.#writers.delete(unit);
  }

  /** Removes logs of units that are no longer held, but for those written to last. */
  prune(held: ReadonlySet<string>): void {
    this.#directory.pruneLogs(held, KEPT_LOGS);
  }
}
