import { z } from 'zod';
import { calls } from './call.ts';
import { integer, type Shape, state, text } from './kinds.ts';
import { machineName } from './machine.ts';
import {
  described,
  flagParameter,
  flagUnlessFalse,
  integerParameter,
  type Parameter,
  textParameter,
  textsParameter,
} from './parameters.ts';
import { unitSummary } from './summary.ts';

const eventKind = z.enum([
  'unit-submitted',
  'unit-changed',
  'unit-destroyed',
  'unit-placed',
  'unit-unplaced',
  'unit-state',
  'unit-unreported',
  'machine-joined',
  'machine-changed',
  // The machine left by itself: fleetd was stopped, or the machine powered off.
  'machine-left',
  // The machine's lease ended: power cut, crash, or no network.
  'machine-lost',
  // The machine is gone, and its older fleetd does not say whether it leaves.
  'machine-gone',
  'leader-elected',
  'leader-gone',
  // Events were left out of a stream that is read too slowly.
  'left-out',
]);
export type ApiEventKind = Shape<typeof eventKind>;

const happened = z
  .object({
    type: z.literal('happened'),
    revision: integer,
    kind: eventKind,
    atMs: integer.exactOptional().describe('Milliseconds since 1970; absent when nobody wrote the time down.'),
    approximate: z
      .literal(true)
      .exactOptional()
      .describe('It happened at `atMs` or before: the time is that of the next record.'),
    subject: z.enum(['unit', 'machine', 'leader']),
    name: text,
    sentence: text,
    unit: text.exactOptional(),
    machine: machineName.exactOptional(),
    desiredState: state.exactOptional().describe('What the unit is to be from now on.'),
    state: z.object({ load: text, active: text, sub: text }).exactOptional().describe('The states from now on.'),
    reason: text.exactOptional(),
    result: text
      .exactOptional()
      .describe(
        "systemd's Result of a unit that failed or is to be restarted, with its main process' exit status or signal.",
      ),
    exitStatus: integer.exactOptional(),
    signal: integer.exactOptional(),
  })
  .describe('One thing that happened: as fields for programs, as a sentence for people.');
/** One thing that happened: as fields for programs, as a sentence for people. */
export type ApiHappened = Shape<typeof happened>;

const unitEvent = z
  .object({ type: z.literal('unit'), revision: integer, name: text, unit: unitSummary.nullable() })
  .describe('A unit as a whole, as it was at `revision`; `unit` is null when it is gone.');

const ready = z
  .object({
    type: z.literal('ready'),
    revision: integer,
    machines: integer,
    leader: text.exactOptional().describe('Absent while there is none.'),
    compactedAt: integer
      .exactOptional()
      .describe('The history that was asked for is not whole: the store has been compacted up to this revision.'),
    limited: z
      .literal(true)
      .exactOptional()
      .describe(
        'Older events that were asked for are left out: a stream begins with 1,000 of the last 10,000 revisions at most.',
      ),
  })
  .describe('The snapshot, or what a resumed stream owed, is complete.');

const reset = z
  .object({ type: z.literal('reset'), revision: integer })
  .describe('Forget every unit seen before: a whole snapshot follows, ending in `ready`.');

/** `data:` of each event of the stream. */
export const event = z.discriminatedUnion('type', [unitEvent, ready, reset, happened]);
export type ApiEvent = Shape<typeof event>;

/** An id of the stream is a revision to the server, and a text that it hands back to the client. */
const revision: Parameter<string | undefined> = { ...textParameter, type: 'integer' };
const time = integerParameter(16, { fallback: undefined, problem: 'is no time: use milliseconds since 1970' });
const number = integerParameter(9, { fallback: 0, problem: 'is not a number of events' });

/**
 * Server-sent events, each `data:` one ApiEvent. Without `after` the stream begins with one `unit` event for every unit
 * asked for, then `ready`, then changes as they happen, many changes of one unit folded into its newest state.
 *
 * An `id:` is sent whenever the client is owed nothing up to that revision: resume with the last id (Last-Event-ID or
 * `after`), never with a `revision`. A resumed stream begins with the units changed since, then `ready`; or with
 * `reset` when the server cannot tell what changed, and then with everything.
 */
export const eventCall = calls({
  Events: {
    id: 'fleet.Cluster.Events',
    description: 'Changes as server-sent events.',
    method: 'GET',
    path: 'events',
    query: {
      unit: described(textsParameter, 'Only these units.'),
      after: described(revision, 'Resume after the last id that was received.'),
      history: described(number, 'Begin with so many past events.'),
      happened: described(flagParameter, 'Tell what happens, as it happens.'),
      units: described(flagUnlessFalse, 'false leaves out the units as they are.'),
      machine: described(textParameter, 'Only what happened to this machine, or to units there.'),
      since: described(time, 'No past events before this time, in milliseconds since 1970.'),
      until: described(time, 'No past events after this time, in milliseconds since 1970.'),
      services: described(flagParameter, 'Add to each placement the services that its unit declares.'),
    },
    responses: { 200: { text: 'text/event-stream', events: event } },
  },
});
