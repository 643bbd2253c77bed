import { readNeeds } from './needs.ts';
import { parseUnitFile } from './parse.ts';
import { serializeUnitFile } from './serialize.ts';
import { readServices } from './services.ts';
import type { UnitOption, UnitProblem } from './unit-file.ts';
import { unitNameProblem } from './unit-name.ts';

/**
 * Lists every problem for which fleetctl and the API warn about a unit or refuse it: its name, options that no unit
 * file could hold, and its [X-Fleet] and [X-Service] sections. `lines` are those of parseUnitFile. The unit is accepted
 * when no problem is an error.
 */
export function checkUnit(name: string, options: readonly UnitOption[], lines: readonly number[] = []): UnitProblem[] {
  const problems: UnitProblem[] = [];
  const nameProblem = unitNameProblem(name);
  if (nameProblem !== undefined) problems.push({ line: 0, message: nameProblem, severity: 'error' });
  if (options.length === 0) problems.push({ line: 0, message: 'the unit file has no options', severity: 'error' });
  options.forEach((option, i) => {
    const message = optionProblem(option);
    if (message !== undefined) problems.push({ line: lines[i] ?? 0, message, severity: 'error' });
  });
  const own = [...readNeeds(name, options, lines).problems, ...readServices(name, options, lines).problems];
  return [...problems, ...own].sort((a, b) => a.line - b.line);
}

/**
 * Writes the option and reads it back. Options from an API client may be no line of a unit file: a newline in a value
 * would smuggle in another option.
 */
function optionProblem(option: UnitOption): string | undefined {
  const { name, value } = option;
  // Options before any section have a warning of their own; here it only matters that each stays one option.
  const section = option.section === '' ? 'Unit' : option.section;
  const where = `option ${JSON.stringify(name)} of section ${JSON.stringify(section)}`;
  const read = parseUnitFile(serializeUnitFile([{ section, name, value }]));
  if (`${section}${name}${value}`.includes('\r')) {
    return `${where} cannot be written to a unit file: it holds a carriage return, where systemd ends a line`;
  }
  const error = read.problems.find((problem) => problem.severity === 'error');
  if (error !== undefined) return `${where} cannot be written to a unit file: ${error.message}`;
  const [back, ...more] = read.options;
  const same = more.length === 0 && back?.section === section && back.name === name && sameText(back.value, value);
  return same ? undefined : `${where} cannot be written to a unit file: it would be read as something else`;
}

/**
 * Compares values without surrounding blanks, except that a newline gained at the end would swallow the next option.
 */
function sameText(a: string, b: string): boolean {
  return a.trim() === b.trim() && a.endsWith('\n') === b.endsWith('\n');
}
