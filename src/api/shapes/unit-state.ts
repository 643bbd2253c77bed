import { z } from 'zod';
import { calls } from './call.ts';
import { named, type Shape, text } from './kinds.ts';
import { pageParameters, textParameter } from './parameters.ts';

const unitState = named(
  'UnitState',
  z.object({
    name: text,
    hash: text,
    machineID: text,
    systemdLoadState: text,
    systemdActiveState: text,
    systemdSubState: text,
    destroyed: z
      .literal(true)
      .exactOptional()
      .describe('With all=true only: the unit was destroyed, and its machine is about to stop it.'),
  }),
);
export type ApiUnitState = Shape<typeof unitState>;

const unitStatePage = named(
  'UnitStatePage',
  z.object({ states: z.array(unitState), nextPageToken: text.exactOptional() }),
);

export const unitStateCalls = calls({
  List: {
    id: 'fleet.UnitState.List',
    description: 'Retrieve a page of UnitState objects.',
    method: 'GET',
    path: 'state',
    query: { ...pageParameters, unitName: textParameter, machineID: textParameter },
    responses: { 200: { json: unitStatePage } },
  },
  Get: {
    id: 'fleet.UnitState.Get',
    description: 'Retrieve the UnitState of a single unit.',
    method: 'GET',
    path: 'state/{unitName}',
    responses: { 200: { json: unitState } },
    errors: ['not-found'],
  },
});
