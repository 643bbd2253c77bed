import type { z } from 'zod';
import { namedSchemas } from './named-schemas.ts';
import { type Call, DOCUMENTED, NAMED, type Prefix } from './shapes/index.ts';

/**
 * The document that clients of Google-discovery style APIs are generated from, as fleet serves it: its calls, then ours.
 * https://developers.google.com/discovery/v1/reference/apis
 */
export function discoveryDocument(prefix: Prefix): Readonly<Record<string, unknown>> {
  const path = prefix.slice(1);
  return {
    kind: 'discovery#restDescription',
    discoveryVersion: 'v1',
    id: 'fleet:v1',
    name: 'schema',
    version: 'v1',
    title: 'fleet API',
    description: 'Units, their states and the machines of a cluster.',
    documentationLink: '',
    protocol: 'rest',
    icons: { x16: '', x32: '' },
    labels: [],
    baseUrl: `$ENDPOINT/${path}/`,
    basePath: `/${path}/`,
    rootUrl: '$ENDPOINT/',
    servicePath: `${path}/`,
    batchPath: 'batch',
    parameters: {},
    auth: {},
    schemas: Object.fromEntries(
      Object.entries(namedSchemas((id) => id, adapt)).map(([id, schema]) => [id, { id, ...schema }]),
    ),
    resources: Object.fromEntries(Object.entries(DOCUMENTED).map(([name, calls]) => [name, resource(calls)])),
  };
}

/** Discovery knows neither a list of required properties nor constants, and expects `properties` of every object. */
function adapt(node: z.core.JSONSchema.BaseSchema): void {
  if (Array.isArray(node.required)) delete node.required;
  delete node.const;
  delete node.propertyNames;
  if (node.type === 'object') node.properties ??= {};
}

function resource(calls: Readonly<Record<string, Call>>): object {
  return { methods: Object.fromEntries(Object.entries(calls).map(([name, call]) => [name, method(call)])) };
}

function method({ id, description, method: httpMethod, path, query = {}, body, bodyRef, responses }: Call): object {
  const names = namesInPath(path);
  const inPath = names.map((name) => [name, { type: 'string', location: 'path', required: true }] as const);
  const inQuery = Object.entries(query).map(([name, { read: _, ...shown }]) => {
    const format = shown.type === 'integer' ? { format: 'int64' } : {};
    return [name, { ...shown, ...format, location: 'query' }] as const;
  });
  const sent = bodyRef ?? idOf(body);
  const received = responses[200] && 'json' in responses[200] ? idOf(responses[200].json) : undefined;
  return {
    ...{ id, description, httpMethod, path, parameters: Object.fromEntries([...inPath, ...inQuery]) },
    ...(names.length === 0 ? {} : { parameterOrder: names }),
    ...(sent === undefined ? {} : { request: { $ref: sent } }),
    ...(received === undefined ? {} : { response: { $ref: received } }),
  };
}

/** The names in a path's braces, in order. */
export function namesInPath(path: string): string[] {
  return [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name!);
}

/** A shape's name in the documents. */
export function idOf(shape: z.ZodType | undefined): string | undefined {
  return shape && NAMED.get(shape)?.id;
}
