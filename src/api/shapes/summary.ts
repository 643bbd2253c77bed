import { z } from 'zod';
import { health, integer, named, type Shape, state, text } from './kinds.ts';

const unitService = named(
  'UnitService',
  z.object({
    name: text,
    port: integer,
    health: health
      .exactOptional()
      .describe('The worst status of its checks, once this machine’s router knows of it; absent: not in the catalog.'),
    output: text.exactOptional().describe('The output of the worst check when that does not pass.'),
  }),
);
/** A service that a unit declares in [X-Service], on one machine. */
export type ApiUnitService = Shape<typeof unitService>;

const placementStatus = named(
  'PlacementStatus',
  z.object({
    hash: text,
    state,
    load: text,
    active: text,
    sub: text,
    note: text.exactOptional().describe('Why the machine could not load or start it.'),
    exit: z
      .object({ result: text, status: integer.exactOptional(), signal: integer.exactOptional() })
      .exactOptional()
      .describe('How it ended; only while it has failed or waits for its restart.'),
    start: integer
      .exactOptional()
      .describe('The start that this status is of: a later one has a greater number. Absent before the first.'),
  }),
);

const placement = named(
  'Placement',
  z.object({
    machineID: text,
    address: text.describe("The machine's address; empty when the machine is not there."),
    reason: text.describe("The leader's reason for this machine."),
    desiredState: state,
    status: placementStatus.exactOptional().describe('Absent until the machine has reported.'),
    services: z
      .array(unitService)
      .exactOptional()
      .describe(
        'The services that the unit declares; only in events with services=true, and absent when there are none.',
      ),
  }),
);
export type ApiPlacement = Shape<typeof placement>;

/** A unit without its text; list commands and events use it. */
export const unitSummary = named(
  'UnitSummary',
  z.object({
    name: text,
    hash: text,
    description: text,
    desiredState: state,
    currentState: state.describe('Of a global unit: the least state of its placements.'),
    global: z.boolean(),
    ran: z
      .object({ machineID: text, atMs: integer })
      .exactOptional()
      .describe(
        'Where and when (in milliseconds since 1970) a unit with RunOnce=true ended with success: it is not started again.',
      ),
    placements: z.array(placement).describe('By machine id; more than one for a global unit.'),
  }),
);
export type ApiUnitSummary = Shape<typeof unitSummary>;

export const unitSummaryPage = named('UnitSummaryPage', z.object({ units: z.array(unitSummary) }));
