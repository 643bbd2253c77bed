import { existsSync, realpathSync } from 'node:fs';
import { type Clock, FlotillaError, type Random, systemClock, systemRandom } from '../../lib/index.ts';
import { takeLock } from './lock.ts';
import { cgroupMembers, cgroupPathOf, isRunning, killCgroupTree, removeCgroup, sendSignal } from './process/index.ts';
import { findStrays } from './running-units.ts';
import { SupervisorDirectory } from './state-directory.ts';

const TIMEOUT_MS = 10_000;
const REMOVE_TIMEOUT_MS = 1000;
const LOOK_AGAIN_MS = 5;
const SIGKILL = 9;

export interface PowerOffOptions {
  /** State directory of the machine. */
  readonly directory: string;
  readonly clock?: Clock;
  readonly random?: Random;
}

/**
 * Takes a machine's power away: the supervisor process and every process of its units are killed at once, and what is
 * true until the next boot is forgotten; logs stay. Works also when the supervisor is dead already. Whoever talks to
 * it must be gone before, or it is started again. Rejects when a process is still there after ten seconds.
 */
export async function powerOff(options: PowerOffOptions): Promise<void> {
  const { clock = systemClock, random = systemRandom } = options;
  if (!existsSync(options.directory)) return;
  const directory = new SupervisorDirectory(realpathSync(options.directory));
  const cgroup = cgroupPathOf(directory.path);
  const deadline = clock.monotonic() + TIMEOUT_MS;
  const tracked = new Map<number, number>();
  for (;;) {
    const left = killAll(directory, cgroup, tracked);
    if (left === 0) directory.removeDamagedKey();
    // Who has the lock knows that no supervisor lives, not even one that had only just begun to.
    const lock = left === 0 ? await takeLock(directory, random) : undefined;
    // A process that was being spawned has the supervisor's lock until it runs its program, and only then bears the marks by
    // which it is found: so look once more with the lock in hand.
    const late = lock === undefined ? 0 : killAll(directory, cgroup, tracked);
    if (lock !== undefined && late === 0) directory.forgetRun(random);
    lock?.close();
    if (lock !== undefined && late === 0) break;
    if (clock.monotonic() > deadline) {
      throw new FlotillaError(
        'timeout',
        `Processes of ${directory.path} are still there after SIGKILL: ${left || 'its supervisor'}`,
      );
    }
    await clock.sleep(LOOK_AGAIN_MS);
  }
  // Who was killed leaves its group a moment after it ended.
  const patience = clock.monotonic() + REMOVE_TIMEOUT_MS;
  while (cgroup !== undefined && !removeCgroup(cgroup) && clock.monotonic() < patience)
    await clock.sleep(LOOK_AGAIN_MS);
}

/** Kills whoever is found; returns how many those were. */
function killAll(directory: SupervisorDirectory, cgroup: string | undefined, tracked: Map<number, number>): number {
  const supervisor = directory.readHolder();
  // First of all: it must not start anything any more.
  const running = supervisor !== undefined && isRunning(supervisor);
  if (running) sendSignal(supervisor.pid, SIGKILL);
  if (cgroup !== undefined) killCgroupTree(cgroup);
  const outside = findStrays(directory, tracked);
  for (const pid of outside) sendSignal(pid, SIGKILL);
  const inside = cgroup === undefined ? [] : cgroupMembers(cgroup);
  return new Set([...inside, ...outside, ...(running ? [supervisor.pid] : [])]).size;
}
