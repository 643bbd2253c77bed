import type { Log } from '../lib/index.ts';
import type { CheckResult } from './check-result.ts';
import type { CheckDefinition, Registration } from './registration.ts';

/** Which sources may have programs run as checks, as fleetd's user. */
export interface AllowedScripts {
  /** Clients of Consul's API (`script_checks`). */
  readonly api: boolean;
  /** Environments and labels of containers, which an image can contain (`docker_script_checks`). */
  readonly container: boolean;
}

const SETTINGS = { api: 'script_checks', container: 'docker_script_checks' } as const;

/**
 * Decides whether a check's command is executed. Those of units always are: a client that may submit units can run programs
 * anyway. A refused check is critical, since the health of its instance is unknown.
 */
export class ScriptGate {
  readonly #allowed: AllowedScripts;
  readonly #log: Log;
  readonly #refused = new WeakMap<CheckDefinition, CheckResult>();
  /** The services and containers whose checks were refused last time; each is logged once. */
  #told: ReadonlySet<string> = new Set();

  constructor(allowed: AllowedScripts, log: Log) {
    this.#allowed = allowed;
    this.#log = log;
  }

  /** Returns why `source` may not have this check run; undefined when it may. */
  refuse(check: CheckDefinition, source: Registration['source']): string | undefined {
    if (check.probe.type !== 'script' || source === 'unit' || this.#allowed[source]) return undefined;
    return `checks that run programs are refused here: set ${SETTINGS[source]}=true to allow them`;
  }

  /** Judges all checks of this machine, each with its source and the name of its service or container. */
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

  /** Returns the result that a refused check shows; undefined for a check that may run. */
  resultOf(check: CheckDefinition): CheckResult | undefined {
    return this.#refused.get(check);
  }
}
