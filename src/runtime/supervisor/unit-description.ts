import { readCommandLine, readStat } from './process/index.ts';
import type { CommandRun, SupervisedUnit, UnitMemory } from './units/index.ts';

/** What status shows of a unit, gathered in the supervisor and put into words by whoever asks. */
export interface UnitDescription {
  readonly name: string;
  readonly description: string;
  readonly documentation: readonly string[];
  readonly path: string;
  readonly active: string;
  readonly sub: string;
  readonly result: string;
  readonly stateSince: number;
  readonly activeSince: number;
  readonly activeUntil: number;
  readonly runs: readonly CommandRun[];
  readonly main: { readonly pid: number; readonly comm: string | undefined } | undefined;
  readonly control: { readonly pid: number; readonly comm: string | undefined } | undefined;
  readonly statusText: string;
  readonly cgroup: string | undefined;
  readonly processes: readonly { readonly pid: number; readonly command: string }[];
}

/** At most this many processes are shown. */
const MAX_PROCESSES = 200;

export function describeUnit(unit: SupervisedUnit, path: string): UnitDescription {
  const { spec, memory } = unit;
  const pids = [...(unit.processes?.members() ?? [])].sort((a, b) => a - b);
  return {
    name: spec.name,
    description: spec.description,
    documentation: spec.documentation,
    path,
    active: unit.active,
    sub: memory.state,
    result: memory.result,
    stateSince: memory.stateSince,
    activeSince: memory.activeSince,
    activeUntil: memory.activeUntil,
    runs: memory.runs,
    main: processOf(memory, 'main') ?? (memory.mainPid === 0 ? undefined : { pid: memory.mainPid, comm: undefined }),
    control: processOf(memory, 'control'),
    statusText: memory.statusText,
    cgroup: unit.processes?.cgroup,
    processes: pids.slice(0, MAX_PROCESSES).flatMap((pid) => {
      const command = readCommandLine(pid);
      return command === undefined ? [] : [{ pid, command }];
    }),
  };
}

function processOf(memory: UnitMemory, role: 'main' | 'control') {
  const watched = memory[role];
  return watched === null ? undefined : { pid: watched.pid, comm: readStat(watched.pid)?.comm };
}
