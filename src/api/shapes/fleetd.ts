import { z } from 'zod';
import { calls } from './call.ts';
import { named, type Shape, text } from './kinds.ts';

const health = named('Health', z.object({ ok: z.literal(true), machineID: text, version: text }));
const version = named('Version', z.object({ version: text, machineID: text }));

/** The body of every error. */
export const errorBody = z.object({ error: z.object({ code: z.int(), message: text }) });
export type ApiErrorBody = Shape<typeof errorBody>;

export const fleetdCalls = calls({
  Health: {
    id: 'fleet.Cluster.Health',
    description: 'Whether this fleetd reaches the store.',
    method: 'GET',
    path: 'health',
    responses: { 200: { json: health } },
  },
  Version: {
    id: 'fleet.Cluster.Version',
    description: 'Version and machine of this fleetd.',
    method: 'GET',
    path: 'version',
    responses: { 200: { json: version } },
  },
});

/** The documents that describe the API; they leave themselves out. */
export const documentCalls = calls({
  Discovery: {
    id: 'fleet.Document.Discovery',
    description: "fleet's discovery document.",
    method: 'GET',
    path: 'discovery',
    responses: { 200: { json: z.record(z.string(), z.unknown()) } },
  },
  OpenApi: {
    id: 'fleet.Document.OpenApi',
    description: 'The OpenAPI document.',
    method: 'GET',
    path: 'openapi.json',
    responses: { 200: { json: z.record(z.string(), z.unknown()) } },
  },
});
