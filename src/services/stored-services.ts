import { linkSync, renameSync, rmSync } from 'node:fs';
import { open, rename } from 'node:fs/promises';
import { z } from 'zod';
import { DRAFT_FLAGS, isInTheWay, type Log, messageOf, readStateFile, removeObstacles } from '../lib/index.ts';
import type { CheckDefinition, Registration } from './registration.ts';

/** Services, checks and maintenance that third parties registered on a machine. */
export interface StoredServices {
  readonly services: Map<string, Registration>;
  /** Checks that were added to an instance of any source, by its id; under the empty id those of the machine. */
  readonly checks: Map<string, readonly CheckDefinition[]>;
  /** Why an instance, or (empty id) the machine, is in maintenance. */
  readonly maintenance: Map<string, string>;
}

/** Copies the maps, for edits that may fail. Edits replace registrations and never change one. */
export function copyOf({ services, checks, maintenance }: StoredServices): StoredServices {
  return { services: new Map(services), checks: new Map(checks), maintenance: new Map(maintenance) };
}

/** Replaces the whole file. The change survives a power cut only once the directory is synced. */
export async function writeServices(file: string, { services, checks, maintenance }: StoredServices): Promise<void> {
  const text = JSON.stringify({
    services: [...services.values()],
    checks: [...checks],
    maintenance: [...maintenance],
  });
  try {
    await replace(file, `${text}\n`);
  } catch (error) {
    if (!isInTheWay(error)) throw error;
    removeObstacles(file, `${file}.new`);
    await replace(file, `${text}\n`);
  }
}

/** Replaces the file as replaceStateFile does, without blocking the event loop. */
async function replace(file: string, text: string): Promise<void> {
  const draft = await open(`${file}.new`, DRAFT_FLAGS, 0o600);
  try {
    await draft.writeFile(text);
    await draft.sync();
  } finally {
    await draft.close();
  }
  await rename(`${file}.new`, file);
}

/** The most bytes that are read: far more than the services of any machine. */
const MAX_BYTES = 256 << 20;

/** Reads the valid parts of the file. Keeps a copy of a damaged one beside it, and logs what was lost. */
export function readServices(file: string, log: Log): StoredServices {
  const empty: StoredServices = { services: new Map(), checks: new Map(), maintenance: new Map() };
  let text: string;
  try {
    text = readStateFile(file, MAX_BYTES);
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

/** Links a damaged file as `aside`, and leaves it until the next change replaces it; what is no file is moved away. */
function setAside(file: string, aside: string): void {
  rmSync(aside, { recursive: true, force: true });
  try {
    linkSync(file, aside);
  } catch {
    renameSync(file, aside);
  }
}

const text = z.string();
const texts = z.array(text);
const count = z.number().nonnegative();
const port = z.int().min(0).max(65_535);
/** A record of any keys: z.record does not check the value of a member `__proto__`. */
const record = (value: z.ZodType) =>
  z
    .custom<object>(
      (it) => typeof it === 'object' && it !== null && z.array(value).safeParse(Object.values(it)).success,
    )
    .pipe(z.record(text, z.unknown()));
const pace = { intervalMs: count, timeoutMs: count };

const probe = z.discriminatedUnion('type', [
  z.object({ type: z.literal('ttl'), ttlMs: count }),
  z.object({ type: z.literal('tcp'), ...pace, host: text, port }),
  z.object({ type: z.literal('grpc'), ...pace, host: text, port, service: text }),
  z.object({ type: z.literal('script'), ...pace, args: texts, env: record(text) }),
  z.object({
    type: z.enum(['http', 'https']),
    ...pace,
    url: text,
    method: text,
    body: text,
    headers: record(texts),
  }),
]);

const status = z.enum(['passing', 'warning', 'critical']);
const check = z.object({ id: text, name: text, notes: text, status, deregisterAfterMs: count.optional(), probe });

const registration = z.object({
  source: z.literal('api'),
  id: text,
  name: text,
  address: text,
  port,
  tags: texts,
  meta: record(text),
  weights: z.object({ passing: count, warning: count }),
  routes: z.array(z.object({ host: text.optional(), path: text.optional() })),
  checks: z.array(check),
  drainMs: count.optional(),
});

const list = z.array(z.unknown(), 'one of its lists is missing');
const file = z.object({ services: list, checks: list, maintenance: list }, 'it is no JSON object');

/** Checks every field that other code relies on: one of another type would throw far from here. Others are kept. */
function decode(value: unknown): { readonly contents: StoredServices; readonly lost: number } {
  const read = file.safeParse(value);
  if (!read.success) throw new Error(read.error.issues[0]!.message);
  const { services, checks, maintenance } = read.data;
  const known = services.filter(fits<Registration>(registration));
  const added = checks.filter(fits<[string, CheckDefinition[]]>(z.tuple([text, z.array(check)])));
  const reasons = maintenance.filter(fits<[string, string]>(z.tuple([text, text])));
  const all = services.length + checks.length + maintenance.length;
  return {
    contents: {
      services: new Map(known.map((service) => [service.id, service])),
      checks: new Map(added),
      maintenance: new Map(reasons),
    },
    lost: all - known.length - added.length - reasons.length,
  };
}

function fits<T>(schema: z.ZodType): (value: unknown) => value is T {
  return (value): value is T => schema.safeParse(value).success;
}
