import type { Log } from '../lib/index.ts';
import type { CheckResult } from './check-result.ts';
import type { CheckDefinition, Registration } from './registration.ts';

/** Whether checks that run programs as fleetd's user are allowed, by who asks for them. */
export interface AllowedScripts {
  /** Clients of Consul's API (`script_checks`). */
  readonly api: boolean;
  /** Environments and labels of containers, which an image can bring (`docker_script_checks`). */
  readonly container: boolean;
}

const SETTINGS = { api: 'script_checks', container: 'docker_script_checks' } as const;

/**
 * The one gate between a check's command and its execution. Units pass it: whoever submits a unit may run programs anyway.
 * A refused check is critical, because nobody knows how its instance is.
 */
export class ScriptGate {
  readonly #allowed: AllowedScripts;
  readonly #log: Log;
  readonly #refused = new WeakMap<CheckDefinition, CheckResult>();
  /** Whose checks were refused at the last look: each of them is logged once. */
  #told: ReadonlySet<string> = new Set();

  constructor(allowed: AllowedScripts, log: Log) {
    this.#allowed = allowed;
    this.#log = log;
  }

  /** Why `source` may not have this check run; undefined when it may. */
  refuse(check: CheckDefinition, source: Registration['source']): string | undefined {
    if (check.probe.type !== 'script' || source === 'unit' || this.#allowed[source]) return undefined;
    return `checks that run programs are refused here: set ${SETTINGS[source]}=true to allow them`;
  }

  /** Judges all checks of this machine anew, each with its source and the name of what asks for it. */
  judge(asked: Iterable<readonly [CheckDefinition, Registration['source'], name: string]>): void {
    const told = new Set<string>();
    for (const [check, source, name] of asked) {
      const because = this.refuse(check, source);
      if (because === undefined) continue;
      this.#refused.set(check, { status: 'critical', output: because });
      const key = `${source} ${name}`;
      if (!this.#told.has(key) && !told.has(key))
        this.#log.warn('Check refused', { [source === 'container' ? 'container' : 'service']: name, because });
      told.add(key);
    }
    this.#told = told;
  }

  /** What is shown in place of the result of a check that was refused; undefined for one that may run. */
  resultOf(check: CheckDefinition): CheckResult | undefined {
    return this.#refused.get(check);
  }
}
