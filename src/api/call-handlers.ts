import type { Context, Hono } from 'hono';
import { FlotillaError } from '../lib/index.ts';
import { answerEmpty, answerJson, answerPrepared, answerText, JsonText, Prepared } from './answers.ts';
import { readBodyAs } from './read-body-as.ts';
import { readJsonBody } from './request-body.ts';
import type { BodyRead, Call, EmptyStatus, JsonOf, PathValues, QueryRead, Reply } from './shapes/index.ts';

/** A request of one call, read by the call's own shapes. */
export interface Asked<C extends Call> {
  readonly path: PathValues<C['path']>;
  readonly query: QueryRead<C>;
  /** Reads the body; a handler that refuses the path does so before. Throws `invalid` and `too-large`. */
  body(): Promise<BodyRead<C>>;
  readonly context: Context;
}

/** What a handler may return: the value of the call's JSON (or its text), the status of an empty response, or its stream. */
type Result<C extends Call> = JsonResult<JsonOf<C>> | EmptyStatus<C> | StreamResult<C>;
type JsonResult<Value> = [Value] extends [never] ? never : Value | JsonText | Prepared;
type StreamResult<C extends Call> = C['responses'] extends { readonly 200: { readonly text: string } }
  ? Response
  : never;

export type CallHandler<C extends Call> = (asked: Asked<C>) => Result<C> | Promise<Result<C>>;

/** A handler for each call of a group: a missing one does not compile. */
export type Handlers<Calls extends Group> = { readonly [Name in keyof Calls]: CallHandler<Calls[Name]> };

type Group = Readonly<Record<string, Call>>;
type Table = Readonly<Record<string, Group>>;

/** Serves every call of a table by its handler. */
export function serveCalls<Calls extends Table>(
  app: Hono,
  table: Calls,
  handlers: { readonly [Name in keyof Calls]: Handlers<Calls[Name]> },
): void {
  for (const name of Object.keys(table) as (keyof Calls)[]) serveGroup(app, table[name], handlers[name]);
}

function serveGroup<Calls extends Group>(app: Hono, group: Calls, handlers: Handlers<Calls>): void {
  for (const name of Object.keys(group) as (keyof Calls)[]) serveCall(app, group[name], handlers[name]);
}

function serveCall<C extends Call>(app: Hono, call: C, handler: CallHandler<C>): void {
  const path = `/${call.path.replaceAll(/\{(\w+)\}/g, ':$1')}`;
  app.on(call.method, path, async (context) => {
    if (call.jsonOnly) assertJsonType(context.req.header('content-type'));
    return answer(call, await handler(asked(call, context)), context);
  });
}

/** The one place where texts of a request get the types of its call. */
function asked<C extends Call>(call: C, context: Context): Asked<C> {
  const { req } = context;
  const query = Object.entries(call.query ?? {}).map(([name, { read }]) => [name, read(req.queries(name), name)]);
  const body = async () => call.body && readBodyAs(call.body, await readJsonBody(req.raw));
  return { path: req.param(), query: Object.fromEntries(query), body, context } as unknown as Asked<C>;
}

function answer(call: Call, result: unknown, { req }: Context): Response {
  if (result instanceof Response) return result;
  if (result instanceof Prepared) return answerPrepared(result, req.header('if-none-match'));
  if (result instanceof JsonText) return answerText(result);
  const isEmpty = result === 201 || result === 204;
  return isEmpty ? answerEmpty(result, contentTypeOf(call.responses[result])) : answerJson(result);
}

function contentTypeOf(reply: Reply | undefined): string | undefined {
  return reply !== undefined && 'empty' in reply ? reply.contentType : undefined;
}

function assertJsonType(contentType: string | undefined): void {
  if (contentType?.split(';')[0]?.trim().toLowerCase() !== 'application/json') {
    throw new FlotillaError('unsupported-media-type', 'application/json is the only supported Content-Type');
  }
}
