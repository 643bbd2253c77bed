import { ERRORS } from '../lib/index.ts';
import { idOf, namesInPath } from './discovery.ts';
import { namedSchemas, schemaOf } from './named-schemas.ts';
import { ANY_CALL, type Call, DOCUMENTED, errorBody, type Parameter, type Reply } from './shapes/index.ts';

/** The API as an OpenAPI 3.1 document. */
export function openApiDocument(version: string): Readonly<Record<string, unknown>> {
  const paths: Record<string, Record<string, object>> = {};
  for (const call of Object.values(DOCUMENTED).flatMap((calls): readonly Call[] => Object.values(calls))) {
    const path = `/${call.path}`;
    paths[path] = { ...paths[path], [call.method.toLowerCase()]: operation(call) };
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
    components: { schemas: { ...namedSchemas(uriOf, dropRequiredFlag), Error: schemaOf(errorBody) } },
  };
}

/** A property that says itself that it is required: discovery's way, which is no JSON schema. */
function dropRequiredFlag(node: { required?: unknown }): void {
  if (node.required === true) delete node.required;
}

function operation(call: Call): object {
  const { id, description, path, query = {}, body, responses } = call;
  return {
    operationId: id,
    summary: description,
    parameters: [
      ...namesInPath(path).map((name) => ({ name, in: 'path', required: true, schema: { type: 'string' } })),
      ...Object.entries(query).map(([name, parameter]) => queryParameter(name, parameter)),
    ],
    ...(body === undefined ? {} : { requestBody: { required: true, content: json(schemaOf(body)) } }),
    responses: {
      ...Object.fromEntries(Object.entries(responses).map(([status, reply]) => [status, response(reply, description)])),
      ...errorResponses(call),
      default: { description: `An error: ${ANY_CALL.join(', ')}`, content: json(ref('Error')) },
    },
  };
}

function response(reply: Reply, description: string): object {
  if ('empty' in reply) return { description: reply.empty };
  if ('json' in reply) return { description, content: json(ref(idOf(reply.json)!)) };
  const { text, events } = reply;
  const data = events && { contentMediaType: 'application/json', contentSchema: schemaOf(events) };
  return { description, content: { [text]: { schema: { type: 'string', ...data } } } };
}

/** One response for each HTTP status of the call's own errors, which names their codes. */
function errorResponses({ errors = [] }: Call): Record<string, object> {
  const codes = Object.groupBy(errors, (code) => String(ERRORS[code].http));
  return Object.fromEntries(
    Object.entries(codes).map(([status, named]) => [
      status,
      { description: named!.join(', '), content: json(ref('Error')) },
    ]),
  );
}

function queryParameter(name: string, { type, repeated, description }: Parameter<unknown>): object {
  const schema = repeated ? { type: 'array', items: { type } } : { type };
  return { name, in: 'query', required: false, schema, ...(description ? { description } : {}) };
}

function json(schema: object): object {
  return { 'application/json': { schema } };
}

function uriOf(name: string): string {
  return `#/components/schemas/${name}`;
}

function ref(name: string): object {
  return { $ref: uriOf(name) };
}
