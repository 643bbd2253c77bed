import { ProcessTable, populatedCgroups } from './process/index.ts';
import type { SupervisorDirectory } from './state-directory.ts';
import type { UnitMemory } from './units/index.ts';

/** The units of a state directory that have processes, by their control groups and by their records of whatever boot. */
export function runningUnits(directory: SupervisorDirectory): readonly string[] {
  const units = directory.readUnits();
  const table = new ProcessTable();
  const found = units.filter(({ memory }) => table.members(processesOf([memory]), runsOf([memory])).length > 0);
  return [...new Set([...populatedCgroups(directory.path), ...found.map(({ memory }) => memory.name)])];
}

/** Processes of units by their records, and of those `tracked` so far, to which they are added. */
export function findStrays(directory: SupervisorDirectory, tracked: Map<number, number>): readonly number[] {
  const units = directory.readUnits().map(({ memory }) => memory);
  for (const [pid, startTime] of processesOf(units)) tracked.set(pid, startTime);
  const found = new ProcessTable().members(tracked, runsOf(units));
  for (const { pid, startTime } of found) tracked.set(pid, startTime);
  return found.map(({ pid }) => pid);
}

/** Start times by pid. */
function processesOf(units: readonly UnitMemory[]): ReadonlyMap<number, number> {
  const known = units.flatMap(({ main, control }) => [main, control]).filter((one) => one !== null);
  return new Map(known.map(({ pid, startTime }) => [pid, startTime]));
}

function runsOf(units: readonly UnitMemory[]): ReadonlySet<string> {
  return new Set(units.map(({ invocationId }) => invocationId).filter((id) => id !== ''));
}
