import { linkSync, renameSync, rmSync } from 'node:fs';
import { open, rename } from 'node:fs/promises';
import { z } from 'zod';
import { DRAFT_FLAGS, isInTheWay, type Log, messageOf, readStateFile, removeObstacles } from '../lib/index.ts';
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
  try {
    await replace(file, `${text}\n`);
  } catch (error) {
    if (!isInTheWay(error)) throw error;
    removeObstacles(file, `${file}.new`);
    await replace(file, `${text}\n`);
  }
}

/** As replaceStateFile does, while fleetd goes on. */
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

/** As many services as a machine may have by far. */
const MAX_BYTES = 256 << 20;

/** Reads what is whole in the file; of a damaged one a copy is kept beside it, and the log says what was lost. */
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

/** The file stays too, until the next change replaces it; what is no file has to make room for one. */
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
/** z.record does not look at the value of a member `__proto__`. */
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

/** All that code relies on without asking: a word of another type would throw far from here. What else there is stays. */
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
