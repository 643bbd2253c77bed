import { isObject, parseGoDuration, parseJson } from '../lib/index.ts';
import { ConsulError, type ConsulRequest, readBody } from './exchange.ts';

/**
 * Reads a JSON object as Consul does: names in any case, with or without underscores. Throws a ConsulError of 400 for
 * unknown names and wrong types.
 */
export class JsonFields {
  readonly #fields = new Map<string, unknown>();

  constructor(value: unknown, known: readonly string[]) {
    if (!isObject(value)) throw malformed('an object is expected');
    const names = plainNames(known);
    const unknown = Object.keys(value).filter((name) => !names.has(plain(name)));
    if (unknown.length > 0) throw malformed(`invalid keys: ${unknown.join(', ')}`);
    for (const [name, field] of Object.entries(value)) if (field !== null) this.#fields.set(plain(name), field);
  }

  has(name: string): boolean {
    return this.#fields.has(plain(name));
  }

  /** Returns the value as parsed; undefined when it is absent or null. */
  raw(name: string): unknown {
    return this.#fields.get(plain(name));
  }

  text(name: string): string {
    const value = this.raw(name) ?? '';
    if (typeof value !== 'string') throw malformed(`${name} must be a string`);
    return value;
  }

  number(name: string, otherwise: number): number {
    const value = this.raw(name) ?? otherwise;
    if (typeof value !== 'number' || !Number.isFinite(value)) throw malformed(`${name} must be a number`);
    return value;
  }

  flag(name: string): boolean {
    const value = this.raw(name) ?? false;
    if (typeof value !== 'boolean') throw malformed(`${name} must be true or false`);
    return value;
  }

  texts(name: string): readonly string[] {
    const value = this.raw(name) ?? [];
    if (!Array.isArray(value) || !value.every((item) => typeof item === 'string'))
      throw malformed(`${name} must be a list of strings`);
    return value;
  }

  map(name: string): Readonly<Record<string, string>> {
    const value = this.raw(name) ?? {};
    if (!isObject(value) || !Object.values(value).every((item) => typeof item === 'string'))
      throw malformed(`${name} must be an object of strings`);
    return value as Readonly<Record<string, string>>;
  }

  /**
   * Returns milliseconds, from a Go duration or a number of nanoseconds; undefined when the field is absent or empty.
   */
  durationMs(name: string): number | undefined {
    const value = this.raw(name);
    if (value === undefined || value === '') return undefined;
    if (typeof value === 'number') return value / 1e6;
    const ms = typeof value === 'string' ? parseGoDuration(value) : undefined;
    if (ms === undefined) throw malformed(`${name}: ${JSON.stringify(value)} is not a duration like 10s`);
    return ms;
  }
}

/** Cached by list: the lists are constants, and one body may hold many objects of a kind. */
const plainLists = new WeakMap<readonly string[], ReadonlySet<string>>();

function plainNames(names: readonly string[]): ReadonlySet<string> {
  const known = plainLists.get(names) ?? new Set(names.map(plain));
  plainLists.set(names, known);
  return known;
}

function plain(name: string): string {
  return name.replaceAll('_', '').toLowerCase();
}

/** Makes a 400 in Consul's words. */
export function malformed(why: string): ConsulError {
  return new ConsulError(400, `Request decode failed: ${why}`);
}

/** Parses the body as JSON; returns `undefined` for an empty body. */
export async function readJson(request: ConsulRequest): Promise<unknown> {
  const body = await readBody(request);
  if (body.length === 0) return undefined;
  try {
    return parseJson(body.toString('utf8'));
  } catch (error) {
    throw malformed((error as Error).message);
  }
}
