import { Backoff, type Clock, FlotillaError, type Log, messageOf, type Random } from '../lib/index.ts';
import { type ActiveProbe, type CheckResult, type RunProbe, shortened } from './check-result.ts';
import type { CheckDefinition } from './registration.ts';

export interface RunningCheckOptions {
  readonly probe: RunProbe;
  readonly recalled: CheckResult | undefined;
  readonly onChange: () => void;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

/** How often a check is published at most while its output changes and its status stays. */
const OUTPUT_INTERVAL_MS = 300_000;
/** When a new check looks first; it repeats soon, with growing delays, until it passes for the first time. */
const FIRST_LOOK_MS = 200;

/** One check, which runs from its construction to `stop()`. */
export class RunningCheck {
  readonly definition: CheckDefinition;
  readonly #options: RunningCheckOptions;
  readonly #stopped = new AbortController();
  #result: CheckResult;
  #known = false;
  #passedOnce: boolean;
  #shownAtMs: number;
  #cancelTimer = () => {};
  #cancelOverdue: (() => void) | undefined;
  #overdue = false;

  constructor(definition: CheckDefinition, options: RunningCheckOptions) {
    this.definition = definition;
    this.#options = options;
    this.#result = options.recalled ?? { status: definition.status, output: '' };
    this.#passedOnce = this.#result.status === 'passing';
    this.#shownAtMs = options.clock.monotonic();
    this.#watchOverdue();
    const { probe } = definition;
    if (probe.type === 'ttl') this.#awaitReport(probe.ttlMs);
    else void this.#run(probe);
  }

  get result(): CheckResult {
    return this.#result;
  }

  /** True when it has been critical for longer than the definition allows. */
  get overdue(): boolean {
    return this.#overdue;
  }

  stop(): void {
    this.#stopped.abort(new FlotillaError('unavailable', 'the check has been stopped'));
    this.#cancelTimer();
    this.#cancelOverdue?.();
  }

  /** Sets the result of before this fleetd started; ignored once there is a result. */
  recall(result: CheckResult): void {
    if (this.#known || this.#result.status === result.status) return;
    this.#passedOnce ||= result.status === 'passing';
    this.#show(result);
  }

  /** Sets the result that a client reports on a ttl check; it holds for the check's time to live. */
  report(result: CheckResult): void {
    const { probe } = this.definition;
    if (probe.type !== 'ttl') return;
    this.#cancelTimer();
    this.#awaitReport(probe.ttlMs);
    this.#settle(result);
  }

  #awaitReport(ttlMs: number): void {
    this.#cancelTimer = this.#options.clock.after(ttlMs, () =>
      this.#settle({ status: 'critical', output: 'TTL expired' }),
    );
  }

  async #run(probe: ActiveProbe): Promise<void> {
    const { clock, random } = this.#options;
    const { signal } = this.#stopped;
    const soon = new Backoff({ minMs: FIRST_LOOK_MS, maxMs: probe.intervalMs }, random);
    let waitMs = Math.min(soon.next(), probe.intervalMs) * random.float();
    while (!signal.aborted) {
      await clock.sleep(waitMs, signal).catch(() => {});
      if (signal.aborted) return;
      const startMs = clock.monotonic();
      const result = await this.#look(probe);
      if (signal.aborted) return;
      this.#settle(result);
      this.#passedOnce ||= result.status === 'passing';
      // Random intervals spread a thousand checks that begin together.
      const paceMs = this.#passedOnce ? probe.intervalMs * (0.9 + random.float() / 5) : soon.next();
      waitMs = Math.max(0, paceMs - (clock.monotonic() - startMs));
    }
  }

  async #look(probe: ActiveProbe): Promise<CheckResult> {
    const late = new AbortController();
    const cancel = this.#options.clock.after(probe.timeoutMs, () =>
      late.abort(new FlotillaError('timeout', `no answer within ${probe.timeoutMs / 1000} s`)),
    );
    try {
      return await this.#options.probe(probe, AbortSignal.any([this.#stopped.signal, late.signal]));
    } catch (error) {
      const why = late.signal.aborted ? late.signal.reason : error;
      return { status: 'critical', output: messageOf(why) };
    } finally {
      cancel();
    }
  }

  #settle({ status, output }: CheckResult): void {
    const result = { status, output: shortened(output) };
    const sameStatus = result.status === this.#result.status;
    const sameWords = result.output === this.#result.output;
    const first = !this.#known;
    this.#known = true;
    if (sameStatus && sameWords) return;
    const lately = this.#options.clock.monotonic() - this.#shownAtMs < OUTPUT_INTERVAL_MS;
    if (sameStatus && lately && !first) return;
    if (!sameStatus)
      this.#options.log.info('Check changed', { check: this.definition.id, from: this.#result.status, to: status });
    this.#show(result);
  }

  #show(result: CheckResult): void {
    this.#result = result;
    this.#shownAtMs = this.#options.clock.monotonic();
    this.#watchOverdue();
    this.#options.onChange();
  }

  #watchOverdue(): void {
    const { deregisterAfterMs } = this.definition;
    if (this.#result.status !== 'critical' || deregisterAfterMs === undefined) {
      this.#cancelOverdue?.();
      this.#cancelOverdue = undefined;
      this.#overdue = false;
      return;
    }
    this.#cancelOverdue ??= this.#options.clock.after(deregisterAfterMs, () => {
      this.#overdue = true;
      this.#options.onChange();
    });
  }
}
