import { calls } from './call.ts';
import { described, flagParameter, pageParameters, textsParameter } from './parameters.ts';
import { unitSummaryPage } from './summary.ts';
import { unit, unitPage, unitPut } from './unit.ts';
import { fromMachines, statusQuery, unitStatusReport } from './unit-output.ts';
import { why } from './why.ts';

export const unitCalls = calls({
  List: {
    id: 'fleet.Unit.List',
    description: 'Retrieve a page of Unit objects.',
    method: 'GET',
    path: 'units',
    query: pageParameters,
    responses: { 200: { json: unitPage } },
  },
  Get: {
    id: 'fleet.Unit.Get',
    description: 'Retrieve a single Unit object.',
    method: 'GET',
    path: 'units/{unitName}',
    query: {
      submitted: described(flagParameter, 'With its file as submitted, where that is not its options alone.'),
    },
    responses: { 200: { json: unit } },
    errors: ['not-found'],
  },
  Delete: {
    id: 'fleet.Unit.Delete',
    description: 'Delete the referenced Unit object.',
    method: 'DELETE',
    path: 'units/{unitName}',
    responses: { 204: { empty: 'The unit is deleted.' } },
    errors: ['not-found', 'full'],
  },
  Set: {
    id: 'fleet.Unit.Set',
    description: 'Create or update a Unit.',
    method: 'PUT',
    path: 'units/{unitName}',
    body: unitPut,
    // fleet's document has one shape for what is sent and what comes back.
    bodyRef: 'Unit',
    jsonOnly: true,
    responses: {
      201: { empty: 'The unit was created, or has other options now.' },
      204: { empty: 'The options are the same; the desired state is set.' },
    },
    errors: ['conflict', 'too-large', 'unsupported-media-type', 'full'],
  },
  Summaries: {
    id: 'fleet.Unit.Summaries',
    description: 'All units, or those named, without their options but with their placements.',
    method: 'GET',
    path: 'summaries',
    query: { unit: textsParameter },
    responses: { 200: { json: unitSummaryPage } },
  },
  Why: {
    id: 'fleet.Unit.Why',
    description: 'Why the unit is where it is, and why it cannot be on the other machines.',
    method: 'GET',
    path: 'units/{unitName}/why',
    responses: { 200: { json: why } },
    errors: ['not-found'],
  },
  Status: {
    id: 'fleet.Unit.Status',
    description: 'Status texts of the machines that hold the unit.',
    method: 'GET',
    path: 'units/{unitName}/status',
    query: statusQuery,
    responses: { 200: { json: unitStatusReport } },
    errors: ['not-found'],
  },
  Journal: {
    id: 'fleet.Unit.Journal',
    description: 'Journal of the unit as text, from the machine that holds it.',
    method: 'GET',
    path: 'units/{unitName}/journal',
    query: fromMachines,
    responses: { 200: { text: 'text/plain' } },
    errors: ['not-found', 'conflict'],
  },
});
