import { z } from 'zod';
import { membersOf } from './as-go.ts';
import { calls } from './call.ts';
import { integer, named, type Shape, text } from './kinds.ts';
import { pageParameters } from './parameters.ts';

const machine = named(
  'Machine',
  z.object({
    id: text,
    primaryIP: text,
    metadata: z.record(z.string(), z.string()),
    hostname: text.exactOptional().describe("Flotilla's own; absent of a machine with an older fleetd."),
    version: text.exactOptional().describe("Flotilla's own: the version of its fleetd."),
  }),
);
export type ApiMachine = Shape<typeof machine>;

const machinePage = named('MachinePage', z.object({ machines: z.array(machine), nextPageToken: text.exactOptional() }));

/** A machine, wherever one is named. */
export const machineName = z.object({
  id: text,
  hostname: text
    .exactOptional()
    .describe('Absent where nobody knows it: of a machine that is gone, or of an older fleetd.'),
  address: text.exactOptional(),
});
export type ApiMachineName = Shape<typeof machineName>;

// Of any type: the handler refuses what it cannot use in fleet's own words.
const operation = named(
  'MachinePatchOperation',
  membersOf({
    op: z
      .unknown()
      .optional()
      .meta({ type: 'string', enum: ['add', 'remove', 'replace'] }),
    path: z.unknown().optional().meta({ type: 'string', description: '/<machine id>/metadata/<key>' }),
    value: z.unknown().optional().meta({ type: 'string' }),
  }),
);
export type ApiMachinePatchOperation = Shape<typeof operation>;

/** JSON Patch, its value a string or fleet's `{"value":"x"}`. */
const machinePatch = named('MachinePatch', z.array(operation));

/** What fleet's decoder took as the value of such an operation. */
export const metadataObject = membersOf({ value: z.unknown().optional() });

const leader = named('Leader', z.object({ machineID: text, address: text, sinceMs: integer }));

export const machineCalls = calls({
  List: {
    id: 'fleet.Machine.List',
    description: 'Retrieve a page of Machine objects.',
    method: 'GET',
    path: 'machines',
    query: pageParameters,
    responses: { 200: { json: machinePage } },
  },
  Patch: {
    id: 'fleet.Machine.Patch',
    description: 'Add, replace or remove metadata of machines.',
    method: 'PATCH',
    path: 'machines',
    body: machinePatch,
    // fleet's own tests ask for this type on the empty response.
    responses: { 204: { empty: 'The metadata is changed.', contentType: 'application/json' } },
    errors: ['too-large', 'full'],
  },
});

export const leaderCall = calls({
  Leader: {
    id: 'fleet.Cluster.Leader',
    description: 'The machine that leads the cluster.',
    method: 'GET',
    path: 'leader',
    responses: { 200: { json: leader } },
    errors: ['not-found'],
  },
});
