import { linkSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { open, rename } from 'node:fs/promises';
import { type Log, messageOf } from '../lib/index.ts';
import type { CheckDefinition, Registration } from './registration.ts';

/** Services, checks and maintenance that third parties registered on a machine. */
export interface StoredServices {
  readonly services: Map<string, Registration>;
  /** Checks that were added to an instance of whatever source, by the instance's id; under the empty one the machine's. */
  readonly checks: Map<string, readonly CheckDefinition[]>;
  /** Why an instance, or (empty id) the machine, is in maintenance. */
  readonly maintenance: Map<string, string>;
}

/** Copies the maps, so that an edit of the copy leaves the original as it is. Edits replace registrations and never change one. */
export function copyOf({ services, checks, maintenance }: StoredServices): StoredServices {
  return { services: new Map(services), checks: new Map(checks), maintenance: new Map(maintenance) };
}

/** Puts the file in its place whole. Only once its directory is synced does the change outlast a loss of power. */
export async function writeServices(file: string, { services, checks, maintenance }: StoredServices): Promise<void> {
  const text = JSON.stringify({
    services: [...services.values()],
    checks: [...checks],
    maintenance: [...maintenance],
  });
  const draft = await open(`${file}.new`, 'w', 0o600);
  try {
    await draft.writeFile(`${text}\n`);
    await draft.sync();
  } finally {
    await draft.close();
  }
  await rename(`${file}.new`, file);
}

/** Reads what is whole in the file; of a damaged one a copy is kept beside it, and the log says what was lost. */
export function readServices(file: string, log: Log): StoredServices {
  const empty: StoredServices = { services: new Map(), checks: new Map(), maintenance: new Map() };
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return empty;
    return damaged(file, messageOf(error), empty, log);
  }
  try {
    const { contents, lost } = decode(JSON.parse(text));
    return lost === 0 ? contents : damaged(file, `${lost} of its entries are of no known form`, contents, log);
  } catch (error) {
    return damaged(file, messageOf(error), empty, log);
  }
}

function damaged(file: string, because: string, contents: StoredServices, log: Log): StoredServices {
  const aside = `${file}.damaged`;
  let kept: string | undefined = aside;
  try {
    setAside(file, aside);
  } catch {
    kept = undefined;
  }
  log.error('Registered services are damaged: those that cannot be read have to be registered again', {
    file,
    ...(kept === undefined ? {} : { kept }),
    services: contents.services.size,
    error: because,
  });
  return contents;
}

/** The file stays too, until the next change replaces it; what is no file has to make room for one. */
function setAside(file: string, aside: string): void {
  rmSync(aside, { recursive: true, force: true });
  try {
    linkSync(file, aside);
  } catch {
    renameSync(file, aside);
  }
}

type Json = Readonly<Record<string, unknown>>;

function decode(value: unknown): { readonly contents: StoredServices; readonly lost: number } {
  if (!isObject(value)) throw new Error('it is no JSON object');
  const [services, checks, maintenance] = [list(value['services']), list(value['checks']), list(value['maintenance'])];
  const known = services.filter(isRegistration);
  const added = checks.filter((entry) => isPair(entry) && Array.isArray(entry[1]) && entry[1].every(isCheck));
  const reasons = maintenance.filter((entry) => isPair(entry) && typeof entry[1] === 'string');
  const all = services.length + checks.length + maintenance.length;
  return {
    contents: {
      services: new Map(known.map((service) => [service.id, service])),
      checks: new Map(added as [string, CheckDefinition[]][]),
      maintenance: new Map(reasons as [string, string][]),
    },
    lost: all - known.length - added.length - reasons.length,
  };
}

function list(value: unknown): readonly unknown[] {
  if (!Array.isArray(value)) throw new Error('one of its lists is missing');
  return value;
}

function isPair(value: unknown): value is readonly [string, unknown] {
  return Array.isArray(value) && value.length === 2 && typeof value[0] === 'string';
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** All that code relies on without asking: a word of another type would throw far from here. */
function isRegistration(value: unknown): value is Registration {
  if (!isObject(value)) return false;
  const { id, name, address, port, tags, meta, weights, source, routes, checks, drainMs = 0 } = value;
  return (
    [id, name, address].every((text) => typeof text === 'string') &&
    source === 'api' &&
    isCount(drainMs) &&
    isPort(port) &&
    areStrings(tags) &&
    isObject(meta) &&
    areStrings(Object.values(meta)) &&
    isObject(weights) &&
    isCount(weights['passing']) &&
    isCount(weights['warning']) &&
    Array.isArray(routes) &&
    routes.every(isRoute) &&
    Array.isArray(checks) &&
    checks.every(isCheck)
  );
}

function isRoute(value: unknown): boolean {
  return (
    isObject(value) && [value['host'], value['path']].every((part) => part === undefined || typeof part === 'string')
  );
}

function isCheck(value: unknown): value is CheckDefinition {
  if (!isObject(value) || !isObject(value['probe'])) return false;
  const { id, name, notes, status, probe, deregisterAfterMs = 0 } = value;
  return (
    [id, name, notes].every((text) => typeof text === 'string') &&
    ['passing', 'warning', 'critical'].includes(status as string) &&
    isCount(deregisterAfterMs) &&
    isProbe(probe as Json)
  );
}

function isProbe(probe: Json): boolean {
  const { type, ttlMs, intervalMs, timeoutMs, host, port, url, method, headers, body, args, env, service } = probe;
  if (type === 'ttl') return isCount(ttlMs);
  if (!isCount(intervalMs) || !isCount(timeoutMs)) return false;
  if (type === 'tcp') return typeof host === 'string' && isPort(port);
  if (type === 'grpc') return typeof host === 'string' && isPort(port) && typeof service === 'string';
  if (type === 'script') return areStrings(args) && isObject(env) && areStrings(Object.values(env));
  if (type !== 'http' && type !== 'https') return false;
  return areStrings([url, method, body]) && isObject(headers) && Object.values(headers).every(areStrings);
}

function areStrings(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((text) => typeof text === 'string');
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0;
}

function isPort(value: unknown): boolean {
  return isCount(value) && Number.isInteger(value) && value <= 65_535;
}
