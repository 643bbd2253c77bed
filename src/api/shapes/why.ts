import { z } from 'zod';
import { integer, named, type Shape, state, text } from './kinds.ts';

const whyPlacement = named('WhyPlacement', z.object({ machineID: text, address: text, reason: text }));

const whyMachine = named(
  'WhyMachine',
  z.object({
    machineID: text,
    address: text,
    units: integer,
    reason: text.exactOptional().describe('Why the unit cannot be there; absent when it could.'),
  }),
);

export const why = named(
  'Why',
  z.object({
    name: text,
    desiredState: state,
    placements: z.array(whyPlacement),
    machines: z.array(whyMachine).describe('Every machine of the cluster.'),
    summary: text.describe('One sentence that sums it up, e.g. "not placed: none of 3 machines qualifies".'),
  }),
);
export type ApiWhy = Shape<typeof why>;
