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
  /** Results from before a restart of fleetd, for checks that are yet to begin. */
  readonly #recalled = new Map<string, CheckResult>();

  /** `onChange` is called when a result has changed, or a check has been critical for too long. */
  constructor(options: CheckRunnerOptions, onChange: () => void) {
    this.#options = options;
    this.#onChange = onChange;
    options.signal.addEventListener('abort', () => this.use([]), { once: true });
  }

  /** These checks run, and no others. One that goes on under the same id keeps its result, even if it looks elsewhere. */
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

  /** What was known of a check before this fleetd began; of no account once the check has a result of its own. */
  recall(id: string, result: CheckResult): void {
    const check = this.#checks.get(id);
    if (check) check.recall(result);
    else this.#recalled.set(id, result);
  }

  /** What a running check says. */
  resultOf(id: string): CheckResult | undefined {
    return this.#checks.get(id)?.result;
  }

  /** True when a check has been critical for longer than its instance may be. */
  isOverdue(id: string): boolean {
    return this.#checks.get(id)?.overdue ?? false;
  }

  /** Takes somebody's word for a ttl check; false when there is none of that id. */
  report(id: string, result: CheckResult): boolean {
    const check = this.#checks.get(id);
    if (check?.definition.probe.type !== 'ttl') return false;
    check.report(result);
    return true;
  }
}
