import type { PlacementWrite } from '../cluster/index.ts';

/** One change of where units are. */
export interface Decision {
  readonly unit: string;
  /** These belong in one commit; a move is a removal and a put. */
  readonly writes: readonly PlacementWrite[];
  /** Why, in words a user is shown. */
  readonly reason: string;
  /**
   * Decisions of one group stand next to each other and belong in one commit. Groups committed in order leave the
   * cluster sound after each of them, so a part of the list may be committed and the rest decided anew.
   */
  readonly group: number;
}

/**
 * The most placement writes in one group and in one commit: etcd takes 128 operations (`--max-txn-ops`), and a commit may
 * add a note. A larger group is cut between units, followed ones first.
 */
export const MAX_GROUP_WRITES = 120;

/** Gathers decisions in the order in which they may be committed. */
export class DecisionList {
  #decisions: Decision[] = [];
  #group = 0;
  #writes = 0;

  /** Begins another group. */
  begin(): void {
    if (this.#writes === 0) return;
    this.#group++;
    this.#writes = 0;
  }

  add(unit: string, writes: readonly PlacementWrite[], reason: string): void {
    if (this.#writes + writes.length > MAX_GROUP_WRITES) this.begin();
    this.#writes += writes.length;
    this.#decisions.push({ unit, writes, reason, group: this.#group });
  }

  /** Returns the decisions gathered since the last call. */
  take(): Decision[] {
    const decisions = this.#decisions;
    this.#decisions = [];
    this.#group = 0;
    this.#writes = 0;
    return decisions;
  }
}
