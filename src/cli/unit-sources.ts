import { isUtf8 } from 'node:buffer';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { ApiState, ApiUnit, ApiUnitSummary, FleetClient } from '../client/index.ts';
import { FlotillaError, systemReason } from '../lib/index.ts';
import { isTemplateName } from '../model/index.ts';
import {
  checkUnit,
  cliUnitName,
  hashUnit,
  parseUnitFile,
  parseUnitName,
  readNeeds,
  serializeUnitFile,
  templateOf,
  type UnitProblem,
  unitNameProblem,
} from '../unitfile/index.ts';
import { checkDirectives } from './check-directives.ts';
import { type Context, say, warn } from './context.ts';
import { explainMissing } from './missing-unit.ts';

/** A unit's options, and its file as written if that differs from the serialised options. */
export type UnitFile = Pick<ApiUnit, 'options' | 'submitted'>;

/** A unit that a command works on: its state in the cluster and the file to send. */
export interface SourcedUnit {
  readonly name: string;
  /** The unit in the cluster; undefined when it must be created. */
  readonly existing: ApiUnitSummary | undefined;
  /** The file to send when it is created or replaced. */
  readonly file: UnitFile | undefined;
  /** Hash of the text that the unit will have; absent for a new unit, which has no other text. */
  readonly hash: string | undefined;
  readonly global: boolean;
  /** True when --replace was given but the unit's state forbids it, which has been reported. */
  readonly refused?: boolean;
}

/** Everything that a command sends: units, and templates to replace before them. */
export interface Sources {
  readonly units: readonly SourcedUnit[];
  readonly templates: readonly SourcedUnit[];
}

export interface SourceOptions {
  /** Names or paths. */
  readonly args: readonly string[];
  /** The state to order. */
  readonly state: ApiState;
  readonly replace: boolean;
  /** States in which this command may replace a unit. */
  readonly replaceable: readonly ApiState[];
}

/** A file of another kind has problems on every line. */
const PROBLEMS_AT_MOST = 20;

/** A unit file on disk. */
interface LocalFile extends UnitFile {
  readonly path: string;
  readonly lines: readonly number[];
  readonly warnings: readonly UnitProblem[];
}

/** Returns the unit names of the arguments in order, without repetition. */
export function unitNames(args: readonly string[]): string[] {
  return [...new Set(args.map(cliUnitName))];
}

/**
 * Finds each unit: in the cluster, in a local file, in the cluster's template, in the template beside the path. Checks
 * everything before anything is sent; prints problems with file and line.
 */
export async function sourceUnits(context: Context, client: FleetClient, options: SourceOptions): Promise<Sources> {
  const wanted = new Map<string, { readonly arg: string; readonly path: string }>();
  for (const arg of options.args) {
    const name = cliUnitName(arg);
    const problem = unitNameProblem(name);
    if (problem !== undefined) throw creating(problem);
    if (options.state !== 'inactive' && isTemplateName(name)) {
      const instance = name.replace('@.', '@1.').replace(/\.service$/, '');
      throw creating(`cannot activate template "${name}": start an instance of it, such as ${instance}`);
    }
    if (!wanted.has(name)) wanted.set(name, { arg, path: join(dirname(arg), name) });
  }
  const templates = [...wanted.keys()].map(templateName).filter((name) => name !== undefined);
  const registry = new Map<string, ApiUnitSummary>();
  for (const unit of await client.summaries([...new Set([...wanted.keys(), ...templates])]))
    registry.set(unit.name, unit);
  const finder = new Finder({ context, client, registry, ...options });
  const units: SourcedUnit[] = [];
  for (const [name, place] of wanted) units.push(await finder.find(name, place));
  return { units, templates: [...finder.replacedTemplates.values()] };
}

class Finder {
  readonly #context: Context;
  readonly #client: FleetClient;
  readonly #registry: ReadonlyMap<string, ApiUnitSummary>;
  readonly #options: SourceOptions;
  readonly #templates = new Map<string, Promise<UnitFile>>();
  /** Templates of the cluster that differ from the local file by which an instance is to be replaced. */
  readonly replacedTemplates = new Map<string, SourcedUnit>();

  constructor(
    facts: SourceOptions & { context: Context; client: FleetClient; registry: ReadonlyMap<string, ApiUnitSummary> },
  ) {
    this.#context = facts.context;
    this.#client = facts.client;
    this.#registry = facts.registry;
    this.#options = facts;
  }

  async find(name: string, place: { readonly arg: string; readonly path: string }): Promise<SourcedUnit> {
    const { path } = place;
    const existing = this.#registry.get(name);
    if (existing) return this.#options.replace ? this.#replaced(existing, path) : this.#kept(existing, path);
    return this.#created(name, place);
  }

  #kept(existing: ApiUnitSummary, path: string): SourcedUnit {
    this.#warnIfDifferent(existing, path);
    const { name, hash, global } = existing;
    return { name, hash, global, existing, file: undefined };
  }

  async #replaced(existing: ApiUnitSummary, path: string): Promise<SourcedUnit> {
    const { name, hash, global } = existing;
    const kept = { name, hash, global, existing, file: undefined };
    const file = await this.#newFile(name, path);
    if (!file) throw creating(`unable to find Unit(${name}) on filesystem, to replace the one in the cluster with`);
    if (hashUnit(file.options) === hash) {
      say(this.#context, `Found same Unit(${name}) in Registry, nothing to do`);
      return kept;
    }
    if (!this.#options.replaceable.includes(existing.desiredState)) {
      const state = existing.desiredState;
      const command = `fleetctl ${state === 'loaded' ? 'load' : 'start'} --replace ${path}`;
      warn(
        this.#context,
        `Warning: can not replace Unit(${name}) in state '${state}', use the appropriate command: ${command}`,
      );
      return { ...kept, refused: true };
    }
    return sourced(name, file, existing);
  }

  async #created(name: string, { arg, path }: { readonly arg: string; readonly path: string }): Promise<SourcedUnit> {
    const file = await this.#newFile(name, path);
    if (file) return sourced(name, file, undefined);
    const template = templateName(name);
    const nor = template === undefined ? '' : `, nor its template ${template}`;
    const known = (await this.#client.summaries()).map((unit) => unit.name);
    const advice = explainMissing(arg, known);
    throw creating(`unable to find Unit(${name}) in Registry or on filesystem${nor}: ${advice}`);
  }

  /** Returns the local file, else the cluster's template, else the local template. */
  async #newFile(name: string, path: string): Promise<UnitFile | undefined> {
    const file = readLocal(path);
    if (file) return this.#checked(name, file);
    const template = templateName(name);
    if (template === undefined) return undefined;
    const templatePath = join(dirname(path), template);
    const registered = this.#registry.get(template);
    if (registered && this.#options.replace) {
      const local = readLocal(templatePath);
      if (local) return this.#replacedTemplate(registered, this.#checked(name, local));
    }
    if (registered) {
      this.#warnIfDifferent(registered, templatePath);
      return this.#template(template);
    }
    const local = readLocal(templatePath);
    return local && this.#checked(name, local);
  }

  /** The local template replaces the cluster's too: otherwise the next instance would be made from the old one. */
  #replacedTemplate(registered: ApiUnitSummary, file: UnitFile): UnitFile {
    const { name } = registered;
    if (hashUnit(file.options) !== registered.hash) this.replacedTemplates.set(name, sourced(name, file, registered));
    return file;
  }

  /** Fetches the cluster's template once for all its instances. */
  #template(name: string): Promise<UnitFile> {
    let file = this.#templates.get(name);
    if (!file) {
      file = this.#client.unit(name).then((unit) => {
        if (!unit) throw creating(`template Unit(${name}) was destroyed just now`);
        return unit;
      });
      this.#templates.set(name, file);
    }
    return file;
  }

  #checked(name: string, file: LocalFile): UnitFile {
    const { options, lines } = file;
    const problems = [...checkUnit(name, options, lines), ...checkDirectives(name, options, lines)];
    report(
      this.#context,
      file.path,
      [...file.warnings, ...problems].sort((a, b) => a.line - b.line),
    );
    return file;
  }

  #warnIfDifferent(unit: ApiUnitSummary, path: string): void {
    const template = templateName(unit.name);
    const candidates = [{ path, kind: 'local unit file' }];
    if (template !== undefined)
      candidates.push({ path: join(dirname(path), template), kind: 'local template unit file' });
    const found = candidates.find((candidate) => isFile(candidate.path));
    if (!found) return;
    const { options, problems } = parseUnitFile(readFileSync(found.path, 'utf8'));
    if (problems.some((problem) => problem.severity === 'error') || hashUnit(options) === unit.hash) return;
    const { kind } = found;
    warn(
      this.#context,
      `WARNING: Unit ${unit.name} in registry differs from ${kind} ${found.path}. Add --replace to override.`,
    );
  }
}

function sourced(name: string, { options, submitted }: UnitFile, existing: ApiUnitSummary | undefined): SourcedUnit {
  return {
    name,
    file: { options, ...(submitted === undefined ? {} : { submitted }) },
    existing,
    hash: existing && hashUnit(options),
    global: readNeeds(name, options).needs.global,
  };
}

function templateName(name: string): string | undefined {
  return unitNameProblem(name) === undefined ? templateOf(parseUnitName(name)) : undefined;
}

function isFile(path: string): boolean {
  return existsSync(path) && statSync(path).isFile();
}

function readLocal(path: string): LocalFile | undefined {
  if (!isFile(path)) return undefined;
  let bytes: Buffer;
  try {
    bytes = readFileSync(path);
  } catch (error) {
    throw creating(`failed getting Unit from file ${path}: ${systemReason(error)}`);
  }
  // Decoding would replace invalid bytes by others.
  if (!isUtf8(bytes)) throw creating(`${place(path, { line: lineOutsideUtf8(bytes), message: 'not text in UTF-8' })}`);
  const text = bytes.toString();
  const { options, lines, problems } = parseUnitFile(text);
  const errors = problems.filter((problem) => problem.severity === 'error');
  if (errors.length > 0) throw creating(lineList(path, errors));
  const submitted = text === serializeUnitFile(options) ? {} : { submitted: text };
  return { path, options, ...submitted, lines, warnings: problems };
}

/** Returns the first line, from 1, that is not valid UTF-8. */
function lineOutsideUtf8(bytes: Buffer): number {
  let line = 1;
  for (let start = 0; ; line++) {
    const end = bytes.indexOf('\n', start);
    if (end === -1 || !isUtf8(bytes.subarray(start, end))) return line;
    start = end + 1;
  }
}

/** Prints warnings; throws one error with all errors. */
function report(context: Context, path: string, problems: readonly UnitProblem[]): void {
  for (const problem of problems) {
    if (problem.severity === 'warning') warn(context, `WARNING: ${place(path, problem)}`);
  }
  const errors = problems.filter((problem) => problem.severity === 'error');
  if (errors.length > 0) throw creating(lineList(path, errors));
}

function lineList(path: string, problems: readonly UnitProblem[]): string {
  const shown = problems.slice(0, PROBLEMS_AT_MOST).map((problem) => place(path, problem));
  const more = problems.length - shown.length;
  return [...shown, ...(more > 0 ? [`${path}: and ${more} more`] : [])].join('\n');
}

function place(path: string, { line, message }: Pick<UnitProblem, 'line' | 'message'>): string {
  return line > 0 ? `${path}:${line}: ${message}` : `${path}: ${message}`;
}

function creating(message: string): FlotillaError {
  return new FlotillaError('invalid', `Error creating units: ${message}`);
}
