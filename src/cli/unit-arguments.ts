import { dirname, join } from 'node:path';
import type { ApiUnitSummary, FleetClient } from '../client/index.ts';
import { FlotillaError } from '../lib/index.ts';
import { isGlob, isTemplateName, matchesGlob } from '../model/index.ts';
import { cliUnitName } from '../unitfile/index.ts';
import { type Context, warn } from './context.ts';

/** True for a pattern of unit names: no name contains one of these characters. */
export function isUnitPattern(arg: string): boolean {
  return /[*?[]/.test(arg);
}

/** True when the argument, a name or a pattern with or without `.service`, means that unit. */
export function meansUnit(arg: string, name: string): boolean {
  const last = arg.slice(arg.lastIndexOf('/') + 1);
  if (!isUnitPattern(last)) return cliUnitName(last) === name;
  return matchesGlob(last, name) || matchesGlob(`${last}.service`, name);
}

/**
 * Returns the arguments, each pattern replaced by the cluster's units that match it, in the pattern's directory; prints
 * their number on stderr. Asks the cluster only when there is a pattern. `templates`: patterns match templates too.
 * Throws when a pattern matches nothing.
 */
export async function unitArguments(
  context: Context,
  client: FleetClient,
  { templates = false }: { readonly templates?: boolean } = {},
): Promise<readonly string[]> {
  if (!context.args.some(isUnitPattern)) return context.args;
  const all = (await client.summaries()).filter(({ name }) => templates || !isTemplateName(name));
  return context.args.flatMap((arg) => {
    if (!isUnitPattern(arg)) return [arg];
    const names = matching(arg, all).map(({ name }) => name);
    warn(context, `${arg} matches ${names.length} unit${names.length === 1 ? '' : 's'}`);
    return names.map((name) => join(dirname(arg), name));
  });
}

function matching(arg: string, all: readonly ApiUnitSummary[]): readonly ApiUnitSummary[] {
  assertPattern(arg);
  const found = all.filter(({ name }) => meansUnit(arg, name));
  if (found.length > 0) return found;
  throw new FlotillaError(
    'invalid',
    `no unit of the cluster matches ${arg}: fleetctl list-unit-files shows those there are`,
  );
}

function assertPattern(arg: string): void {
  if (!isGlob(arg)) throw new FlotillaError('usage', `${arg} is no pattern: close its [ ], and order its ranges`);
}

/**
 * Selects the rows whose units the arguments mean; all rows without arguments. Throws when an argument means none of
 * them.
 */
export function selectUnits<Row extends { readonly name: string }>(
  args: readonly string[],
  rows: readonly Row[],
): readonly Row[] {
  if (args.length === 0) return rows;
  for (const arg of args) {
    assertPattern(arg);
    if (!rows.some(({ name }) => meansUnit(arg, name)))
      throw new FlotillaError('invalid', `no unit of this list is ${isUnitPattern(arg) ? arg : cliUnitName(arg)}`);
  }
  return rows.filter(({ name }) => args.some((arg) => meansUnit(arg, name)));
}
