import type { z } from 'zod';
import { FlotillaError } from '../lib/index.ts';

/** The body as `schema` reads it; `invalid` with the place and the reason otherwise. */
export function readBodyAs<T>(schema: z.ZodType<T>, body: unknown): T {
  const read = schema.safeParse(body);
  if (read.success) return read.data;
  const issue = read.error.issues[0]!;
  const where = issue.path.length === 0 ? 'the request body' : `"${issue.path.join('.')}" in the request body`;
  throw new FlotillaError('invalid', `${where} is not acceptable: ${issue.message}`);
}
