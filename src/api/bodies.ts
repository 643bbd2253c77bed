import { z } from 'zod';
import { FlotillaError } from '../lib/index.ts';

/**
 * An object whose members are matched without regard to case, as Go's decoder does and clients of fleet rely on; of several
 * that match the last one counts. https://pkg.go.dev/encoding/json#Unmarshal
 */
function membersOf<Shape extends z.core.$ZodShape>(shape: Shape) {
  const names = new Map(Object.keys(shape).map((name) => [name.toLowerCase(), name]));
  const withOurNames = (body: unknown) => {
    if (typeof body !== 'object' || body === null || Array.isArray(body)) return body;
    const members: Record<string, unknown> = {};
    // Object.entries takes three times as long for an object of many thousand members.
    for (const written in body) {
      const name = names.get(written.toLowerCase());
      if (name !== undefined) members[name] = (body as Record<string, unknown>)[written];
    }
    return members;
  };
  return z.preprocess(withOurNames, z.object(shape));
}

// Go clients leave out what is empty, and may send null for it.
const text = z
  .string()
  .refine((value) => value.isWellFormed(), 'holds half a surrogate pair, which no file can')
  .nullish()
  .transform((value) => value ?? '');

const state = z.enum(['inactive', 'loaded', 'launched']);

/** Options of a unit; each costs some microseconds of every request's time to check. */
export const MAX_OPTIONS = 2048;

const option = membersOf({ section: text, name: text, value: text });

/** Counted before they are read: a megabyte holds hundreds of thousands. */
const options = z.array(z.unknown()).superRefine((list, context) => {
  if (list.length <= MAX_OPTIONS) return;
  const message = `it has ${list.length} options, at most ${MAX_OPTIONS} fit: move what is long into a file that the unit reads`;
  context.addIssue({ code: 'custom', message });
});

/** PUT /units/N. Fields that only the server writes (currentState, machineID) are ignored. */
export const unitPutBody = membersOf({
  name: text,
  desiredState: z
    .union([state, z.literal('')])
    .nullish()
    .transform((value) => (value ? value : undefined)),
  options: options
    .pipe(z.array(option))
    .nullish()
    .transform((list) => list ?? []),
  submitted: text,
});

/** PATCH /machines: JSON Patch, its value a string or fleet's `{"value":"x"}`. */
export const machinesPatchBody = z.array(
  membersOf({ op: z.unknown().optional(), path: z.unknown().optional(), value: z.unknown().optional() }),
);

/** What fleet's decoder took as the value of such an operation. */
export const metadataValueBody = membersOf({ value: z.unknown().optional() });

/** PUT /router/certificates/N. */
export const certificatePutBody = z.object({ pem: z.string() });

/** The body as `schema` reads it; `invalid` with the place and the reason otherwise. */
export function readBodyAs<T>(schema: z.ZodType<T>, body: unknown): T {
  const read = schema.safeParse(body);
  if (read.success) return read.data;
  const issue = read.error.issues[0]!;
  const where = issue.path.length === 0 ? 'the request body' : `"${issue.path.join('.')}" in the request body`;
  throw new FlotillaError('invalid', `${where} is not acceptable: ${issue.message}`);
}
