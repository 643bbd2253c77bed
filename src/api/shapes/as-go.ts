import { z } from 'zod';

/**
 * An object whose members are matched without regard to case, as Go's decoder does and clients of fleet rely on; of several
 * that match the last one counts. https://pkg.go.dev/encoding/json#Unmarshal
 */
export function membersOf<Members extends z.core.$ZodShape>(members: Members) {
  const names = new Map(Object.keys(members).map((name) => [name.toLowerCase(), name]));
  const withOurNames = (body: unknown) => {
    if (typeof body !== 'object' || body === null || Array.isArray(body)) return body;
    const renamed: Record<string, unknown> = {};
    // Object.entries takes three times as long for an object of many thousand members.
    for (const written in body) {
      const name = names.get(written.toLowerCase());
      if (name !== undefined) renamed[name] = (body as Record<string, unknown>)[written];
    }
    return renamed;
  };
  const object = z.object(members);
  return z.preprocess((body: z.input<typeof object>) => withOurNames(body), object);
}

/** Text that may be left out or null, which Go clients send for what is empty; read as `''` then. */
export const goText = z
  .string()
  .refine((value) => value.isWellFormed(), 'holds half a surrogate pair, which no file can')
  .nullish()
  .transform((value) => value ?? '');
