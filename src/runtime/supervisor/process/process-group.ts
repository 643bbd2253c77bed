import type { ProcessId } from './procfs.ts';

/** All processes of one unit, however far they have forked away. */
export interface ProcessGroup {
  /** The unit's control group as shown to users, if it has one. */
  readonly cgroup?: string;
  /** The file to which a process writes 0 to join; absent: members are found by descent. */
  readonly entry?: string;
  /** Lists live members (no zombies). `known` are processes that certainly belong to the unit. */
  members(known: readonly ProcessId[]): readonly number[];
  /**
   * Calls `then` soon after a process has ended, when `members` shows the rest. Ends that come together share one look.
   */
  afterEnd(then: () => void): void;
  /** Sends SIGKILL to all members at once, if the kernel can; returns false when they must be killed one by one. */
  killAll(): boolean;
  /** Prepares for the first process of a new run, which carries this INVOCATION_ID. */
  open(invocationId: string): void;
  /** Removes the group, which must be empty. */
  remove(): void;
}

/** Makes the groups of a machine's units. */
export interface ProcessGroups {
  readonly kind: 'cgroup' | 'tracking';
  groupOf(unit: string): ProcessGroup;
}
