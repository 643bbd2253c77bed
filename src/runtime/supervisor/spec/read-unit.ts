import { messageOf, rowOf } from '../../../lib/index.ts';
import { parseUnitFile, type UnitOption, unfold, unitNameProblem } from '../../../unitfile/index.ts';
import { type Directive, SERVICE_DIRECTIVES, UNIT_DIRECTIVES } from './directives.ts';
import { finishDraft, newDraft, type UnitDraft } from './draft.ts';
import { type SpecifierFacts, specifiersOf } from './specifiers.ts';
import type { UnitSpec } from './unit-spec.ts';
import { judgeDirective } from './unsupported.ts';

/**
 * Reads a unit file for the supervisor. Returns the unit, or the reason for refusing the file: it is invalid, or needs
 * systemd. Nothing in a file is dropped silently: directives that systemd would ignore are listed in the unit's notes.
 */
export function readUnit(name: string, text: string, facts: SpecifierFacts): UnitSpec | string {
  const problem = nameProblem(name);
  if (problem !== undefined) return problem;
  const parsed = parseUnitFile(text);
  const error = parsed.problems.find((found) => found.severity === 'error');
  if (error !== undefined) return `${name}: line ${error.line}: ${error.message}`;
  try {
    const draft = newDraft(name, specifiersOf(name, facts));
    parsed.options.forEach((option, index) => {
      applyOption(draft, option, parsed.lines[index] ?? 0);
    });
    return finishDraft(draft);
  } catch (failure) {
    if (failure instanceof RangeError) return `${name}: ${messageOf(failure)}`;
    throw failure;
  }
}

function nameProblem(name: string): string | undefined {
  const problem = unitNameProblem(name);
  if (problem !== undefined) return problem;
  const kind = name.slice(name.lastIndexOf('.') + 1);
  if (kind !== 'service' && kind !== 'target') return `${name}: a .${kind} unit needs systemd`;
  if (name.includes('@.')) return `${name} is a template: load an instance of it`;
  return undefined;
}

function applyOption(draft: UnitDraft, option: UnitOption, line: number): void {
  const { section, name } = option;
  const value = unfold(option.value).trim();
  const directive = directiveOf(draft, section, name);
  const where = `line ${line}: ${name}=`;
  if (directive !== undefined) {
    try {
      directive(draft, value);
    } catch (error) {
      if (error instanceof RangeError) throw new RangeError(`${where} ${error.message}`);
      throw error;
    }
    return;
  }
  judge(draft, { section, name, value }, where);
}

function directiveOf(draft: UnitDraft, section: string, name: string): Directive | undefined {
  if (section === 'Unit') return rowOf<Directive>(UNIT_DIRECTIVES, name);
  const isService = section === 'Service' && draft.unit.kind === 'service';
  return isService ? rowOf<Directive>(SERVICE_DIRECTIVES, name) : undefined;
}

function judge(draft: UnitDraft, option: UnitOption, where: string): void {
  const { section, name, value } = option;
  // [Install] takes effect at boot, where the cluster decides what is started; X- sections belong to other programs.
  if (section === 'Install' || section.startsWith('X-')) return;
  if (section !== 'Unit' && (section !== 'Service' || draft.unit.kind !== 'service')) {
    draft.notes.push(`Unknown section '${section}', ignoring ${where}`);
    return;
  }
  const verdict = judgeDirective(section, name, value);
  if (verdict === 'needs-systemd') throw new RangeError(`${where}${value} needs systemd`);
  if (verdict === 'unknown')
    draft.notes.push(`Unknown key name '${name}' in section '${section}', ignoring (${where})`);
}
