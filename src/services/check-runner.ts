import type { Clock, Log, Random } from '../lib/index.ts';
import type { CheckResult, RunProbe } from './check-result.ts';
import type { CheckDefinition } from './registration.ts';
import { RunningCheck } from './running-check.ts';

export interface CheckRunnerOptions {
  readonly probe: RunProbe;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly signal: AbortSignal;
}

/** Runs this machine's checks and keeps their latest results. */
export class CheckRunner {
  readonly #options: CheckRunnerOptions;
  readonly #onChange: () => void;
  readonly #checks = new Map<string, RunningCheck>();
  /** Earlier results, of before a restart of fleetd or of a replaced definition, for checks that have yet to begin. */
  readonly #recalled = new Map<string, CheckResult>();

  /** `onChange` is called when a result has changed, or a check has been critical for too long. */
  constructor(options: CheckRunnerOptions, onChange: () => void) {
    this.#options = options;
    this.#onChange = onChange;
    options.signal.addEventListener('abort', () => this.use([]), { once: true });
  }

  /** Runs these checks and stops all others. A new definition under a known id begins with the result of the old one. */
  use(definitions: Iterable<CheckDefinition>): void {
    const wanted = new Map<string, CheckDefinition>();
    if (!this.#options.signal.aborted)
      for (const definition of definitions) if (!wanted.has(definition.id)) wanted.set(definition.id, definition);
    for (const [id, check] of this.#checks) {
      if (wanted.get(id) === check.definition) continue;
      check.stop();
      this.#checks.delete(id);
      if (wanted.has(id)) this.#recalled.set(id, check.result);
    }
    for (const [id, definition] of wanted) {
      if (this.#checks.has(id)) continue;
      const recalled = this.#recalled.get(id);
      this.#recalled.delete(id);
      this.#checks.set(id, new RunningCheck(definition, { ...this.#options, recalled, onChange: this.#onChange }));
    }
  }

  /** Sets the result of before this fleetd started; ignored once the check has a result of its own. */
  recall(id: string, result: CheckResult): void {
    const check = this.#checks.get(id);
    if (check) check.recall(result);
    else this.#recalled.set(id, result);
  }

  /** Returns the latest result of a running check. */
  resultOf(id: string): CheckResult | undefined {
    return this.#checks.get(id)?.result;
  }

  /** Returns true when a check has been critical for longer than its definition allows. */
  isOverdue(id: string): boolean {
    return this.#checks.get(id)?.overdue ?? false;
  }

  /** Sets the result that a client reports on a ttl check; returns false when there is none of that id. */
  report(id: string, result: CheckResult): boolean {
    const check = this.#checks.get(id);
    if (check?.definition.probe.type !== 'ttl') return false;
    check.report(result);
    return true;
  }
}
