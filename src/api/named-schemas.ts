import { z } from 'zod';
import { NAMED } from './shapes/index.ts';

type Node = z.core.JSONSchema.BaseSchema;

/** The JSON schema of a shape as clients send or receive it, with the shapes that it is made of inside. */
export function schemaOf(shape: z.ZodType): object {
  const { $schema: _, ...schema } = z.toJSONSchema(shape, {
    io: 'input',
    override: ({ jsonSchema }) => tidy(jsonSchema),
  });
  return schema;
}

/** All named shapes as JSON schemas, which name each other by `uri`; `adapt` changes each part of them in place. */
export function namedSchemas(uri: (id: string) => string, adapt: (node: Node) => void): Record<string, object> {
  const { schemas } = z.toJSONSchema(NAMED, {
    io: 'input',
    uri,
    override: ({ jsonSchema }) => {
      tidy(jsonSchema);
      adapt(jsonSchema);
    },
  });
  return Object.fromEntries(Object.entries(schemas).map(([id, { $schema: _, $id: __, ...schema }]) => [id, schema]));
}

/** Drops the bounds of JavaScript's whole numbers, which zod writes to every one. */
function tidy(node: Node): void {
  if (node.minimum === Number.MIN_SAFE_INTEGER) delete node.minimum;
  if (node.maximum === Number.MAX_SAFE_INTEGER) delete node.maximum;
}
