import type { ProcessId } from './procfs.ts';

/** All processes of one unit, however far they forked away. */
export interface ProcessGroup {
  /** Shown as the unit's control group, where there is one. */
  readonly cgroup?: string;
  /** File to which a process writes 0 to become a member; without one, members are found by descent. */
  readonly entry?: string;
  /** Living members (no zombies). `known` are processes which belong to the unit for certain. */
  members(known: readonly ProcessId[]): readonly number[];
  /** A process has ended: calls `then` soon, when `members` sees what is left. Ends that come together share a look. */
  afterEnd(then: () => void): void;
  /** SIGKILLs all members at once where the kernel can; false when they have to be killed one by one. */
  killAll(): boolean;
  /** Prepares for the first process of a new run, which carries this INVOCATION_ID. */
  open(invocationId: string): void;
  /** Forgets the group; to be called when it is empty. */
  remove(): void;
}

/** Makes the groups of a machine's units. */
export interface ProcessGroups {
  readonly kind: 'cgroup' | 'tracking';
  groupOf(unit: string): ProcessGroup;
}
