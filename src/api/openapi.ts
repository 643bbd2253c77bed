import { z } from 'zod';
import { certificatePutBody, machinesPatchBody, unitPutBody } from './bodies.ts';
import { discoveryDocument } from './discovery.ts';

interface Parameter {
  readonly type: string;
  readonly location: 'path' | 'query';
  readonly repeated?: boolean;
  readonly description?: string;
}

interface Method {
  readonly id: string;
  readonly description: string;
  readonly httpMethod: string;
  readonly path: string;
  readonly parameters: Readonly<Record<string, Parameter>>;
  readonly response?: { readonly $ref: string };
}

type Discovery = {
  readonly schemas: Readonly<Record<string, unknown>>;
  readonly resources: Readonly<Record<string, { readonly methods: Readonly<Record<string, Method>> }>>;
};

const ERROR = {
  type: 'object',
  properties: {
    error: { type: 'object', properties: { code: { type: 'integer' }, message: { type: 'string' } } },
  },
};
const BODIES: Readonly<Record<string, z.ZodType>> = {
  'fleet.Unit.Set': unitPutBody,
  'fleet.Machine.Patch': machinesPatchBody,
  'fleet.Router.SetCertificate': certificatePutBody,
};
/** Calls that do not answer JSON. */
const TEXT: Readonly<Record<string, string>> = {
  'fleet.Unit.Journal': 'text/plain',
  'fleet.Router.Config': 'text/plain',
  'fleet.Cluster.Events': 'text/event-stream',
};

/** The API as an OpenAPI 3.1 document, made of the discovery document and of the schemas that bodies are read with. */
export function openApiDocument(version: string): object {
  const { schemas, resources } = discoveryDocument('/fleet/v1') as Discovery;
  const paths: Record<string, Record<string, object>> = {};
  for (const { methods } of Object.values(resources)) {
    for (const method of Object.values(methods)) {
      const path = `/${method.path}`;
      paths[path] = { ...paths[path], [method.httpMethod.toLowerCase()]: operation(method) };
    }
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Flotilla',
      version,
      description: "Units, their states and the machines of a cluster: fleet's API v1.",
    },
    servers: [{ url: '/fleet/v1' }],
    paths,
    components: { schemas: { ...(openSchema(schemas) as object), Error: ERROR } },
  };
}

function operation(method: Method): object {
  const body = BODIES[method.id];
  return {
    operationId: method.id,
    summary: method.description,
    parameters: Object.entries(method.parameters).map(([name, parameter]) => openParameter(name, parameter)),
    ...(body === undefined ? {} : { requestBody: { required: true, content: json(bodySchema(body)) } }),
    responses: { '2XX': answer(method), default: { description: 'An error', content: json(ref('Error')) } },
  };
}

function bodySchema(body: z.ZodType): object {
  const { $schema: _, ...schema } = z.toJSONSchema(body, { io: 'input' });
  return schema;
}

function answer({ id, description, response }: Method): object {
  const text = TEXT[id];
  if (text !== undefined) return { description, content: { [text]: { schema: { type: 'string' } } } };
  return response === undefined ? { description } : { description, content: json(ref(response.$ref)) };
}

function openParameter(name: string, { type, location, repeated, description }: Parameter): object {
  const schema = repeated ? { type: 'array', items: { type } } : { type };
  return { name, in: location, required: location === 'path', schema, ...(description ? { description } : {}) };
}

function json(schema: object): object {
  return { 'application/json': { schema } };
}

function ref(name: string): object {
  return { $ref: `#/components/schemas/${name}` };
}

/** Discovery documents name schemas without a path, mark properties as required one by one, and repeat their id. */
function openSchema(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(openSchema);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).filter(([key, inner]) => !(key === 'id' && typeof inner === 'string'));
  const kept = entries.filter(([key, inner]) => !(key === 'required' && inner === true));
  return Object.fromEntries(
    kept.map(([key, inner]) => [key, key === '$ref' ? `#/components/schemas/${inner}` : openSchema(inner)]),
  );
}
