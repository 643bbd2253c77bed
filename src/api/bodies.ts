import { z } from 'zod';
import { FlotillaError } from '../lib/index.ts';

// Go clients leave out what is empty, and may send null for it.
const text = z
  .string()
  .refine((value) => value.isWellFormed(), 'holds half a surrogate pair, which no file can')
  .nullish()
  .transform((value) => value ?? '');

const state = z.enum(['inactive', 'loaded', 'launched']);

/** PUT /units/N. Fields that only the server writes (currentState, machineID) are ignored. */
export const unitPutBody = z.object({
  name: text,
  desiredState: z
    .union([state, z.literal('')])
    .nullish()
    .transform((value) => (value ? value : undefined)),
  options: z
    .array(z.object({ section: text, name: text, value: text }))
    .nullish()
    .transform((options) => options ?? []),
});

/** PATCH /machines: JSON Patch, its value a string or fleet's `{"value":"x"}`. */
export const machinesPatchBody = z.array(
  z.object({ op: z.unknown().optional(), path: z.unknown().optional(), value: z.unknown().optional() }),
);

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
