import type { ApiUnitService, FleetClient } from '../client/index.ts';
import { type Context, say, warn } from './context.ts';
import { formatDuration } from './duration.ts';
import { askObstacles, describeFailure } from './explain-unit.ts';
import type { Follow } from './follow.ts';
import { type Goal, judge, judgeGone, type Memory, newMemory, type Verdict } from './goals.ts';
import { Progress } from './progress.ts';
import { describeUnwell, explainUnwell } from './unwell.ts';

/** A unit with the state that was ordered for it. */
export interface Order {
  readonly name: string;
  readonly goal: Goal;
}

export interface WaitOptions {
  readonly client: FleetClient;
  readonly follow: Follow;
  readonly orders: readonly Order[];
  /** Infinity means no limit. */
  readonly timeoutMs: number;
  /** The start of the command, from which its timeout counts. */
  readonly startedMs: number;
}

// Long enough for a leader to place a unit, short enough to tell a user within a second why it did not.
const EXPLAIN_AFTER_MS = 700;
const EXPLAINED_AT_MOST = 3;

interface Pending {
  readonly order: Order;
  readonly memory: Memory;
  reached: boolean;
  placed: boolean;
  /** Services of the running unit that do not pass their checks. */
  unwell: readonly ApiUnitService[];
  cancelHold: (() => void) | undefined;
}

/**
 * Waits until each unit has the ordered state. Prints a line for each that has, early reasons for units that cannot be
 * placed, and in the end reasons for the rest. Returns the names of the units that failed.
 */
export async function waitForGoals(context: Context, options: WaitOptions): Promise<string[]> {
  return new Wait(context, options).run();
}

class Wait {
  readonly #context: Context;
  readonly #options: WaitOptions;
  readonly #pending = new Map<string, Pending>();
  readonly #failed: { name: string; verdict: Extract<Verdict, { kind: 'failed' }> }[] = [];
  readonly #progress: Progress;
  readonly #arrived = new Set<string>();
  #finish: () => void = () => {};

  constructor(context: Context, options: WaitOptions) {
    this.#context = context;
    this.#options = options;
    this.#progress = new Progress(context, options.orders.length);
    for (const order of options.orders) {
      const pending = { order, memory: newMemory(), reached: false, placed: false, unwell: [], cancelHold: undefined };
      this.#pending.set(order.name, pending);
    }
  }

  async run(): Promise<string[]> {
    const { follow, timeoutMs, startedMs } = this.#options;
    const { clock } = this.#context;
    const leftMs = Math.max(0, startedMs + timeoutMs - clock.monotonic());
    const over = new Promise<void>((resolve) => {
      this.#finish = resolve;
    });
    // The timeout holds even if the snapshot is late or never comes.
    const cancelTimeout = Number.isFinite(leftMs) ? clock.after(leftMs, this.#finish) : () => {};
    const cancelExplain = clock.after(EXPLAIN_AFTER_MS, () => void this.#explain());
    const begun = follow.ready.then(() => this.#begin());
    try {
      await Promise.race([over, begun.then(() => over), follow.broken]);
    } finally {
      cancelTimeout();
      cancelExplain();
      follow.onChange = () => {};
      this.#progress.clear();
    }
    await this.#reportFailures();
    await this.#reportLate();
    return [...this.#failed.map(({ name }) => name), ...this.#pending.keys()];
  }

  #begin(): void {
    const { follow, orders } = this.#options;
    follow.onChange = (name) => this.#look(name);
    for (const { name } of orders) this.#look(name);
    if (this.#pending.size === 0) this.#finish();
  }

  #look(name: string): void {
    const pending = this.#pending.get(name);
    if (!pending) return;
    pending.cancelHold?.();
    pending.cancelHold = undefined;
    const { order, memory } = pending;
    const verdict = judge(name, order.goal, this.#options.follow.units.get(name) ?? null, memory);
    pending.unwell = verdict.kind === 'reached' ? (verdict.unwell ?? []) : [];
    if (verdict.kind === 'waiting') pending.placed = verdict.placed;
    if (verdict.kind === 'reached') this.#reached(pending, verdict);
    if (verdict.kind === 'failed') {
      if (verdict.line) this.#printOnce(pending, verdict.line);
      this.#fail(pending, verdict);
    }
    if (verdict.kind !== 'waiting') this.#arrived.add(name);
    this.#progress.show(this.#arrived.size);
  }

  #reached(pending: Pending, verdict: Extract<Verdict, { kind: 'reached' }>): void {
    pending.placed = true;
    if (verdict.line) this.#printOnce(pending, verdict.line);
    if (verdict.ready) this.#settle(pending);
    else if (verdict.holdMs)
      pending.cancelHold = this.#context.clock.after(verdict.holdMs, () => this.#settle(pending));
  }

  #printOnce(pending: Pending, line: string): void {
    if (pending.reached) return;
    pending.reached = true;
    this.#progress.clear();
    say(this.#context, line);
  }

  #fail(pending: Pending, verdict: Extract<Verdict, { kind: 'failed' }>): void {
    this.#failed.push({ name: pending.order.name, verdict });
    this.#settle(pending);
  }

  #settle(pending: Pending): void {
    this.#pending.delete(pending.order.name);
    if (this.#pending.size === 0) this.#finish();
  }

  /** Drops units that were destroyed before they were ever seen as ordered: no event will mention them. */
  async #dropGone(): Promise<void> {
    const unseen = [...this.#pending.values()].filter(({ memory }) => !memory.ordered);
    if (unseen.length === 0) return;
    const there = await this.#options.client.summaries(unseen.map(({ order }) => order.name));
    const names = new Set(there.map(({ name }) => name));
    for (const pending of unseen) {
      const { name } = pending.order;
      if (!names.has(name) && !pending.memory.ordered && this.#pending.has(name)) this.#fail(pending, judgeGone(name));
    }
  }

  /** Explains once, while waiting, which units are not placed and which do not pass their checks. */
  async #explain(): Promise<void> {
    const { timeoutMs } = this.#options;
    const left = Number.isFinite(timeoutMs) ? ` for ${roundly(Math.max(0, timeoutMs - EXPLAIN_AFTER_MS))}` : '';
    const unwell = [...this.#pending.values()].filter((pending) => pending.unwell.length > 0);
    if (unwell.length > 0) {
      this.#progress.clear();
      const units = unwell.map(({ order, unwell }) => ({ name: order.name, services: unwell }));
      explainUnwell(this.#context, units, left);
    }
    await this.#explainUnplaced(left);
  }

  async #explainUnplaced(left: string): Promise<void> {
    const { client } = this.#options;
    // An API that does not respond is reported when the time is up.
    await this.#dropGone().catch(() => {});
    const unplaced = [...this.#pending.values()].filter(
      (pending) => !pending.placed && pending.order.goal.state !== 'inactive',
    );
    for (const { order } of unplaced.slice(0, EXPLAINED_AT_MOST)) {
      const { clause, reasons } = await askObstacles(client, order.name);
      // The unit may have been placed while its reason was being requested.
      if (!this.#pending.has(order.name) || this.#pending.get(order.name)!.placed) continue;
      this.#progress.clear();
      warn(this.#context, `Unit ${order.name} is waiting: ${clause}; still trying${left}`);
      for (const reason of reasons) warn(this.#context, `  ${reason}`);
    }
    const more = unplaced.length - EXPLAINED_AT_MOST;
    if (more > 0) warn(this.#context, `${more} more units are waiting for a machine`);
  }

  async #reportFailures(): Promise<void> {
    for (const [index, { name, verdict }] of this.#failed.entries()) {
      const asks = verdict.machineID !== undefined && index < EXPLAINED_AT_MOST;
      const result = asks ? await describeFailure(this.#options.client, name, verdict.machineID!) : '';
      const next = verdict.machineID === undefined ? '' : `; see: fleetctl status ${name}`;
      warn(this.#context, `Error waiting for units: ${verdict.because}${result}${next}`);
    }
  }

  #reportUnwell(name: string, unwell: readonly ApiUnitService[], within: string): void {
    warn(
      this.#context,
      `Error waiting for units: timed out after ${within} waiting for the checks of unit ${name}: ` +
        `${describeUnwell(unwell)}; it runs on; see: fleetctl services ${unwell[0]!.name}`,
    );
  }

  /** Reports each unit that is still pending when the time is up, with its present state. */
  async #reportLate(): Promise<void> {
    const { client, follow, timeoutMs } = this.#options;
    let explained = 0;
    for (const { order, memory, placed, unwell } of this.#pending.values()) {
      const within = formatDuration(timeoutMs);
      if (unwell.length > 0 && !follow.cut) {
        this.#reportUnwell(order.name, unwell, within);
        continue;
      }
      const status = follow.units.get(order.name)?.placements[0]?.status;
      let because = status ? `it is ${status.active} (${status.sub})` : '';
      if (follow.cut) because = follow.cut.message;
      else if (!placed && explained++ < EXPLAINED_AT_MOST && order.goal.state !== 'inactive') {
        because = (await askObstacles(client, order.name)).clause;
      }
      const hint = memory.restarting ? '; it fails and is restarted again and again' : '';
      const next = placed ? 'status' : 'why';
      warn(
        this.#context,
        `Error waiting for units: timed out after ${within} waiting for unit ${order.name} to report state ` +
          `${order.goal.state}${because ? `: ${because}` : ''}${hint}; see: fleetctl ${next} ${order.name}`,
      );
    }
  }
}

/**
 * Returns the milliseconds for which a command may wait: --timeout, unless only --block-attempts is given, which counts
 * fleet's half seconds; 0 of them means no limit (Infinity). With both, the shorter one.
 */
export function waitingTime({ flags }: Context): number {
  const timeoutMs = flags.ms('timeout');
  if (!flags.has('block-attempts')) return timeoutMs;
  const attemptsMs = flags.count('block-attempts') * 500 || Number.POSITIVE_INFINITY;
  return flags.has('timeout') ? Math.min(timeoutMs, attemptsMs) : attemptsMs;
}

/** Formats a remaining time as precisely as is useful. */
function roundly(ms: number): string {
  const stepMs = ms > 10_000 ? 1000 : 100;
  return formatDuration(Math.round(ms / stepMs) * stepMs);
}
