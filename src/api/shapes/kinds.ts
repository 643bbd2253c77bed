import { z } from 'zod';

/** A value of that shape as it is sent or was read; nobody changes it. */
export type Shape<S extends z.ZodType> = Frozen<z.output<S>>;

/** A body of that shape as a client sends it, before the server fills in what may be left out. */
export type BodyShape<S extends z.ZodType> = Frozen<z.input<S>>;

type Frozen<T> = T extends readonly (infer Item)[]
  ? readonly Frozen<Item>[]
  : T extends object
    ? { readonly [Key in keyof T]: Frozen<T[Key]> }
    : T;

/** The shapes that the discovery and OpenAPI documents show under a name of their own. */
export const NAMED = z.registry<{ readonly id: string }>();

/** Gives a shape its name in the documents. */
export function named<S extends z.ZodType>(id: string, schema: S): S {
  NAMED.add(schema, { id });
  return schema;
}

export const text = z.string();
/** A whole number that JavaScript holds exactly. Documents call it `int64`, as Google's discovery format does. */
export const integer = z.int().meta({ format: 'int64' });
export const state = z.enum(['inactive', 'loaded', 'launched']);
export const health = z.enum(['passing', 'warning', 'critical']);

export type ApiState = Shape<typeof state>;
