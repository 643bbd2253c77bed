import { z } from 'zod';
import { goText, membersOf } from './as-go.ts';
import { type BodyShape, named, type Shape, state, text } from './kinds.ts';

const unitOption = named('UnitOption', z.object({ section: text, name: text, value: text }));

/** GET /units/N, and the elements of GET /units. */
export const unit = named(
  'Unit',
  z.object({
    name: text,
    options: z.array(unitOption),
    desiredState: state,
    currentState: state.exactOptional().describe('Absent for a global unit.'),
    machineID: text
      .exactOptional()
      // So stands it in fleet's own document, though the field is left out as often as not.
      .meta({ required: true, description: 'Absent while not placed, and for a global unit.' }),
    submitted: text.exactOptional().describe('The file that the options were read from, comments included.'),
  }),
);
export type ApiUnit = Shape<typeof unit>;

export const unitPage = named('UnitPage', z.object({ units: z.array(unit), nextPageToken: text.exactOptional() }));

/** Most options of a unit; each costs some microseconds of every request's time to check. */
export const MAX_OPTIONS = 2048;

const option = membersOf({ section: goText, name: goText, value: goText });

/** Counted before they are read: a megabyte holds hundreds of thousands. */
const options = z.array(z.unknown()).superRefine((list, context) => {
  if (list.length <= MAX_OPTIONS) return;
  const message = `it has ${list.length} options, at most ${MAX_OPTIONS} fit: move what is long into a file that the unit reads`;
  context.addIssue({ code: 'custom', message });
});

/** PUT /units/N. Fields that only the server writes (currentState, machineID) are ignored. */
export const unitPut = membersOf({
  name: goText,
  desiredState: z
    .union([state, z.literal('')])
    .nullish()
    .transform((value) => (value ? value : undefined)),
  /** May be absent when only the desired state changes. */
  options: options
    .pipe(z.array(option))
    .nullish()
    .transform((list) => list ?? []),
  /** Ours: the file that `options` were read from, comments included, for people to read; 400 when it has other options. */
  submitted: goText,
});
export type ApiUnitPut = BodyShape<typeof unitPut>;
