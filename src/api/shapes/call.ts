import type { z } from 'zod';
import type { ErrorCode } from '../../lib/index.ts';
import type { BodyShape, Shape } from './kinds.ts';
import type { Parameter } from './parameters.ts';

export type Method = 'GET' | 'PUT' | 'PATCH' | 'DELETE';

/** What a response of one status carries: JSON of a shape, nothing, or text as it comes. */
export type Reply =
  | { readonly json: z.ZodType }
  | {
      /** When the server responds so, for the documents. */
      readonly empty: string;
      readonly contentType?: string;
    }
  | {
      readonly text: string;
      /** The shape of `data:` of each server-sent event. */
      readonly events?: z.ZodType;
    };

/** One call of the API: router, documents, client and tests are made from it. */
export interface Call {
  /** Its name for programs that are generated from the documents, `fleet.Machine.List`. */
  readonly id: string;
  readonly description: string;
  readonly method: Method;
  /** Below the API's prefix, with a name in braces for each parameter: `units/{unitName}`. */
  readonly path: string;
  readonly query?: Readonly<Record<string, Parameter<unknown>>>;
  readonly body?: z.ZodType;
  /** The shape that stands for the body in the discovery document, where it is not the body's own. */
  readonly bodyRef?: string;
  /** 415 unless the body comes as application/json. */
  readonly jsonOnly?: true;
  /** By status. */
  readonly responses: { readonly [Status in 200 | 201 | 204]?: Reply };
  /** Errors besides those that any request may meet (`ANY_CALL`). */
  readonly errors?: readonly ErrorCode[];
}

/** Errors that any request may meet: a bad request, no access, and a store, machine or fleetd that cannot be asked. */
export const ANY_CALL: readonly ErrorCode[] = [
  'invalid',
  'unauthorized',
  'forbidden',
  'internal',
  'unavailable',
  'timeout',
];

/** Keeps the literal types of a table of calls. */
export function calls<const Table extends Readonly<Record<string, Call>>>(table: Table): Table {
  return table;
}

type NamesIn<Path extends string> = Path extends `${string}{${infer Name}}${infer Rest}` ? Name | NamesIn<Rest> : never;

/** What stands in the braces of a path, by name. */
export type PathValues<Path extends string> = Readonly<Record<NamesIn<Path>, string>>;

/** The query as the server reads it: each parameter that the call has, by name. */
export type QueryRead<C extends Call> = C extends { readonly query: infer Query }
  ? { readonly [Name in keyof Query]: Query[Name] extends Parameter<infer Value> ? Value : never }
  : Readonly<Record<never, never>>;

/** The query as a client sends it: any of the parameters. */
export type QuerySent<C extends Call> = { readonly [Name in keyof QueryRead<C>]?: QueryRead<C>[Name] | undefined };

export type BodyRead<C extends Call> = C extends { readonly body: infer S extends z.ZodType } ? Shape<S> : undefined;
export type BodySent<C extends Call> = C extends { readonly body: infer S extends z.ZodType }
  ? BodyShape<S>
  : undefined;

/** The JSON of a 200. */
export type JsonOf<C extends Call> = C['responses'] extends {
  readonly 200: { readonly json: infer S extends z.ZodType };
}
  ? Shape<S>
  : never;

/** One server-sent event of a stream. */
export type StreamedEvent<C extends Call> = C['responses'] extends {
  readonly 200: { readonly events: infer S extends z.ZodType };
}
  ? Shape<S>
  : never;

/** Statuses of empty responses. */
export type EmptyStatus<C extends Call> = {
  [Status in keyof C['responses']]: C['responses'][Status] extends { readonly empty: string } ? Status : never;
}[keyof C['responses']];
