import { rowOf } from '../../lib/index.ts';
import { fullTime } from './journal/index.ts';
import { describeExit } from './spec/index.ts';
import type { UnitDescription } from './unit-description.ts';

const DOTS: Readonly<Record<string, string>> = { inactive: '○', failed: '×', activating: '●', reloading: '↻' };
const LABEL_WIDTH = 11;

/** What `systemctl status -l` prints of a unit, with its exit status; `log` are its last lines. */
export function renderStatus(
  unit: UnitDescription,
  log: readonly string[],
  now: number,
): { readonly text: string; readonly exitCode: number } {
  const title = unit.description === unit.name ? unit.name : `${unit.name} - ${unit.description}`;
  const lines = [
    `${rowOf(DOTS, unit.active) ?? '●'} ${title}`,
    labelled('Loaded', `loaded (${unit.path}; linked-runtime)`),
    labelled('Active', activeText(unit, now)),
    ...durationLines(unit),
    ...unit.documentation.map((url, index) => labelled(index === 0 ? 'Docs' : '', url)),
    ...processLines(unit),
    ...treeLines(unit),
    ...(log.length > 0 ? ['', ...log] : []),
  ];
  const down = unit.active === 'inactive' || unit.active === 'failed';
  return { text: lines.join('\n'), exitCode: down ? 3 : 0 };
}

function labelled(label: string, text: string): string {
  return `${label.padStart(LABEL_WIDTH)}${label === '' ? ' ' : ':'} ${text}`;
}

function activeText(unit: UnitDescription, now: number): string {
  const sub = unit.sub === unit.active ? '' : ` (${unit.sub})`;
  const result = unit.result === 'success' ? '' : ` (Result: ${unit.result})`;
  const since = unit.stateSince === 0 ? '' : ` since ${fullTime(unit.stateSince)}; ${agoText(now - unit.stateSince)}`;
  return `${unit.active}${sub}${result}${since}`;
}

function durationLines(unit: UnitDescription): readonly string[] {
  const over = unit.active !== 'active' && unit.activeUntil >= unit.activeSince && unit.activeSince > 0;
  return over ? [labelled('Duration', spanText(unit.activeUntil - unit.activeSince))] : [];
}

function processLines(unit: UnitDescription): readonly string[] {
  const lines = unit.runs.flatMap(({ pid, phase, text, exit }) =>
    exit === undefined ? [] : [labelled('Process', `${pid} ${phase}=${text} (${describeExit(exit)})`)],
  );
  const { main, control } = unit;
  if (main !== undefined) {
    const exit = unit.runs.findLast((run) => run.pid === main.pid)?.exit;
    const what = main.comm ?? (exit === undefined ? undefined : describeExit(exit));
    lines.push(labelled('Main PID', what === undefined ? String(main.pid) : `${main.pid} (${what})`));
  }
  if (control !== undefined) lines.push(labelled('Cntrl PID', `${control.pid} (${control.comm ?? 'n/a'})`));
  if (unit.statusText !== '') lines.push(labelled('Status', JSON.stringify(unit.statusText)));
  return lines;
}

function treeLines({ name, cgroup, processes }: UnitDescription): readonly string[] {
  if (processes.length === 0) return [];
  const indent = ' '.repeat(LABEL_WIDTH + 2);
  const root = cgroup === undefined ? `/${name}` : (/\/flotilla-[^/]*\/.*$/.exec(cgroup)?.[0] ?? cgroup);
  return [
    labelled('Tasks', String(processes.length)),
    labelled('CGroup', root),
    ...processes.map(({ pid, command }, index) => {
      return `${indent}${index === processes.length - 1 ? '└─' : '├─'}${pid} ${command}`;
    }),
  ];
}

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** How long ago, in the two units that matter, as systemctl says it. */
function agoText(ms: number): string {
  if (ms < 0) return 'in the future';
  if (ms < SECOND) return `${Math.floor(ms)}ms ago`;
  if (ms < MINUTE) return `${whole(ms, SECOND)}s ago`;
  if (ms < HOUR) return `${whole(ms, MINUTE)}min${ms < 5 * MINUTE ? ` ${whole(ms % MINUTE, SECOND)}s` : ''} ago`;
  if (ms < DAY) return `${whole(ms, HOUR)}h${ms < 6 * HOUR ? ` ${whole(ms % HOUR, MINUTE)}min` : ''} ago`;
  const days = whole(ms, DAY);
  if (days >= 7) return `${plural(Math.floor(days / 7), 'week')} ${plural(days % 7, 'day')} ago`;
  return days === 1 ? `1 day ${whole(ms % DAY, HOUR)}h ago` : `${days} days ago`;
}

function spanText(ms: number): string {
  if (ms < SECOND) return `${Math.floor(ms)}ms`;
  if (ms < MINUTE) return `${Number((ms / SECOND).toFixed(3))}s`;
  if (ms < HOUR) return `${whole(ms, MINUTE)}min ${whole(ms % MINUTE, SECOND)}s`;
  return `${whole(ms, HOUR)}h ${whole(ms % HOUR, MINUTE)}min`;
}

function whole(ms: number, unit: number): number {
  return Math.floor(ms / unit);
}

function plural(count: number, word: string): string {
  return `${count} ${word}${count === 1 ? '' : 's'}`;
}
