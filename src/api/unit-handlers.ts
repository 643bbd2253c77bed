import type { Snapshot } from '../cluster/index.ts';
import { FlotillaError } from '../lib/index.ts';
import { type DesiredState, isTemplateName, type Unit } from '../model/index.ts';
import {
  checkUnit,
  hashUnit,
  parseUnitFile,
  readNeeds,
  serializeUnitFile,
  type UnitOption,
  unitNameProblem,
} from '../unitfile/index.ts';
import { JsonText, type Prepared } from './answers.ts';
import type { ApiParts } from './api-parts.ts';
import type { Asked, Handlers } from './call-handlers.ts';
import { cutPage, pageOf } from './page-token.ts';
import { sorted, summaryOf, unitJson } from './present.ts';
import { MAX_OPTIONS, type unitCalls } from './shapes/index.ts';

const SHOWN_IN_UNITS = ['unit', 'placement', 'status'] as const;
const SHOWN_IN_SUMMARIES = [...SHOWN_IN_UNITS, 'machine'] as const;
/** Each retry means that somebody else changed the very same unit in between. */
const PUT_TRIES = 16;
/** Length of a file as submitted, which is read a second time here. */
const MAX_SUBMITTED_BYTES = 128 * 1024;
/** Lines of all values together: each is read several times. */
const MAX_LINES = 16_384;
/** Problems named in one refusal. */
const MAX_TOLD = 20;

/** Units as a whole; what machines tell of one unit is in files of its own. */
export function unitHandlers(
  parts: ApiParts,
): Pick<Handlers<typeof unitCalls>, 'List' | 'Get' | 'Delete' | 'Set' | 'Summaries'> {
  return {
    List: ({ query }) => listUnits(query, parts),
    Get: (asked) => getUnit(asked, parts),
    Delete: ({ path }) => deleteUnit(path.unitName, parts),
    Set: (asked) => putUnit(asked, parts),
    Summaries: ({ query }) => listSummaries(query.unit, parts),
  };
}

type Calls = typeof unitCalls;

async function listUnits(
  { nextPageToken, all }: Asked<Calls['List']>['query'],
  { reader, options }: ApiParts,
): Promise<Prepared> {
  const page = pageOf(nextPageToken, options.tokenLimit);
  const key = all ? 'units' : `units page ${page.page}`;
  const cut = (snapshot: Snapshot) => {
    const names = sorted(snapshot.units.keys());
    return all ? { items: names } : cutPage(names, page);
  };
  await reader.view.read();
  const known = reader.recall(key, SHOWN_IN_UNITS);
  if (known !== undefined) return known;
  return reader.withTexts(
    (snapshot) => unitsNamed(snapshot, cut(snapshot).items),
    (snapshot, textOf) => {
      const { items, ...rest } = cut(snapshot);
      const units = unitsNamed(snapshot, items).map((unit) => unitJson(snapshot, unit, textOf(unit.hash)));
      return reader.prepare(key, SHOWN_IN_UNITS, pageJson('units', units, rest));
    },
  );
}

/** A page of items that are JSON text already. */
export function pageJson(name: string, items: readonly string[], rest: { readonly nextPageToken?: string }): string {
  const token = rest.nextPageToken === undefined ? '' : `,"nextPageToken":${JSON.stringify(rest.nextPageToken)}`;
  return `{"${name}":[${items.join(',')}]${token}}`;
}

function unitsNamed(snapshot: Snapshot, names: Iterable<string>): Unit[] {
  return [...names].map((name) => snapshot.units.get(name)).filter((unit) => unit !== undefined);
}

async function getUnit(
  { path: { unitName: name }, query }: Asked<Calls['Get']>,
  { reader, options }: ApiParts,
): Promise<JsonText> {
  const asked = query.submitted ? (await reader.view.read()).units.get(name) : undefined;
  const submitted = asked && (await reader.view.call(() => options.cluster.submittedText(asked)));
  const json = await reader.withTexts(
    (snapshot) => unitsNamed(snapshot, [name]),
    (snapshot, textOf) => {
      const unit = snapshot.units.get(name);
      if (unit === undefined) return undefined;
      return unitJson(snapshot, unit, textOf(unit.hash), unit.hash === asked?.hash ? submitted : undefined);
    },
  );
  if (json === undefined) throw noSuchUnit();
  return new JsonText(json);
}

async function listSummaries(
  wanted: readonly string[] | undefined,
  { reader }: ApiParts,
): Promise<Prepared | JsonText> {
  const names = (snapshot: Snapshot) =>
    wanted === undefined ? sorted(snapshot.units.keys()) : sorted(new Set(wanted));
  const build = () =>
    reader.withTexts(
      (snapshot) => unitsNamed(snapshot, names(snapshot)),
      (snapshot, textOf) => {
        const units = unitsNamed(snapshot, names(snapshot));
        const json = units.map((unit) => JSON.stringify(summaryOf(snapshot, unit, textOf(unit.hash))));
        const page = pageJson('units', json, {});
        return wanted === undefined ? reader.prepare('summaries', SHOWN_IN_SUMMARIES, page) : new JsonText(page);
      },
    );
  await reader.view.read();
  const known = wanted === undefined ? reader.recall('summaries', SHOWN_IN_SUMMARIES) : undefined;
  return known ?? build();
}

async function deleteUnit(name: string, { reader, options }: ApiParts): Promise<204> {
  // No name that cannot be one reaches the store.
  const destroyed =
    unitNameProblem(name) === undefined && (await reader.view.call(() => options.cluster.destroyUnit(name)));
  if (!destroyed) throw noSuchUnit();
  options.log.info('Unit destroyed', { unit: name });
  return 204;
}

async function putUnit(asked: Asked<Calls['Set']>, parts: ApiParts): Promise<201 | 204> {
  const name = asked.path.unitName;
  const body = await asked.body();
  if (body.name !== '' && body.name !== name) {
    throw new FlotillaError('invalid', `name in URL "${name}" differs from unit name in request body "${body.name}"`);
  }
  const problem = unitNameProblem(name);
  if (problem !== undefined) throw new FlotillaError('invalid', problem);
  const wish = { name, desired: body.desiredState, file: unitFile(name, body.options, body.submitted) };
  for (let tries = 0; tries < PUT_TRIES; tries++) {
    const status = await tryPut(parts, wish);
    if (status !== undefined) return status;
  }
  throw new FlotillaError('conflict', `unit ${name} is being changed by many clients at once: try again`);
}

interface UnitFile {
  readonly options: readonly UnitOption[];
  readonly text: string;
  readonly hash: string;
  /** As the user wrote it, where that differs from `text`. */
  readonly submitted?: string;
}

/**
 * The options checked, and in the form that reading their text back gives, so that what is shown has the hash that is
 * shown.
 */
function unitFile(name: string, given: readonly UnitOption[], submitted: string): UnitFile | undefined {
  if (given.length === 0) {
    if (submitted !== '') assertSameOptions(name, canonical([]), submitted);
    return undefined;
  }
  const lines = given.reduce((sum, option) => sum + linesOf(option), 0);
  if (lines > MAX_LINES) {
    const what = `the options of unit ${name} have ${lines} lines, at most ${MAX_LINES} fit`;
    throw new FlotillaError('invalid', `${what}: move what is long into a file that the unit reads`);
  }
  const errors = checkUnit(name, given).filter(({ severity }) => severity === 'error');
  if (errors.length > 0) {
    const told = errors.slice(0, MAX_TOLD).map(({ message }) => message);
    if (errors.length > MAX_TOLD) told.push(`and ${errors.length - MAX_TOLD} more`);
    throw new FlotillaError('invalid', `unit ${name} is not acceptable: ${told.join('; ')}`);
  }
  const file = canonical(given);
  if (submitted === '' || submitted === file.text) return file;
  assertSameOptions(name, file, submitted);
  return { ...file, submitted };
}

function linesOf({ section, name, value }: UnitOption): number {
  return `${section}${name}${value}`.split('\n').length;
}

function canonical(given: readonly UnitOption[]): UnitFile {
  const { options } = parseUnitFile(serializeUnitFile(given));
  return { options, text: serializeUnitFile(options), hash: hashUnit(options) };
}

/** What people are shown as the file must be what machines run. */
function assertSameOptions(name: string, file: UnitFile, submitted: string): void {
  const bytes = Buffer.byteLength(submitted);
  if (bytes > MAX_SUBMITTED_BYTES) {
    const what = `the file of unit ${name} has ${bytes} bytes, at most ${MAX_SUBMITTED_BYTES} fit`;
    throw new FlotillaError('invalid', `${what}: shorten its comments and options`);
  }
  const { options, problems } = parseUnitFile(submitted);
  const isReadable = options.length <= MAX_OPTIONS && problems.every(({ severity }) => severity !== 'error');
  if (!isReadable || canonical(options).text !== file.text) {
    const what = `the text in "submitted" of unit ${name} does not have the options that were sent with it`;
    throw new FlotillaError('invalid', `${what}: send those of this text, or leave "submitted" out`);
  }
}

interface Wish {
  readonly name: string;
  readonly desired: DesiredState | undefined;
  readonly file: UnitFile | undefined;
}

/** fleet's rules for PUT; undefined when the unit changed between reading and writing. */
async function tryPut({ reader, options }: ApiParts, wish: Wish): Promise<201 | 204 | undefined> {
  const { name, desired, file } = wish;
  const existing = (await reader.view.read()).units.get(name);
  if (existing === undefined && file === undefined) {
    throw new FlotillaError('conflict', 'unit does not exist and options field empty');
  }
  if (file !== undefined && file.hash !== existing?.hash) {
    const unit = {
      name,
      hash: file.hash,
      desired: desired ?? existing?.desired ?? 'inactive',
      needs: readNeeds(name, file.options).needs,
    };
    assertMayActivate(name, unit.desired);
    if (!(await reader.view.call(() => options.cluster.putUnit(unit, file.text, existing, file.submitted))))
      return undefined;
    const sentence = existing === undefined ? 'Unit created' : 'Unit replaced';
    options.log.info(sentence, { unit: name, hash: unit.hash, desired: unit.desired });
    return 201;
  }
  if (desired === undefined) {
    throw new FlotillaError('conflict', 'must provide DesiredState to update existing unit');
  }
  assertMayActivate(name, desired);
  if (!(await reader.view.call(() => options.cluster.setDesired(name, desired)))) return undefined;
  if (desired !== existing?.desired) options.log.info('Desired state changed', { unit: name, desired });
  return 204;
}

function assertMayActivate(name: string, desired: DesiredState): void {
  if (desired !== 'inactive' && isTemplateName(name)) {
    throw new FlotillaError('invalid', `cannot activate template "${name}"`);
  }
}

export function noSuchUnit(): FlotillaError {
  return new FlotillaError('not-found', 'unit does not exist');
}
