import { z } from 'zod';
import { calls } from './call.ts';
import { integer, named, type Shape, text } from './kinds.ts';
import { flagParameter, linesParameter, textParameter } from './parameters.ts';

const machineReport = named(
  'MachineReport',
  z.object({
    machineID: text,
    address: text,
    text: text.describe('As `systemctl status -l` prints it.'),
    exitCode: integer,
    error: text.exactOptional().describe('Set when that machine did not respond; text is empty then.'),
  }),
);

export const unitStatusReport = named('UnitStatusReport', z.object({ name: text, reports: z.array(machineReport) }));
export type ApiUnitStatusReport = Shape<typeof unitStatusReport>;

/** The status of a unit, as one fleetd tells it another. */
const peerStatus = z.object({ text, exitCode: integer });
export type ApiPeerStatus = Shape<typeof peerStatus>;

const journalQuery = { lines: linesParameter, follow: flagParameter, output: textParameter };
/** The machines that are asked for a unit's output. */
export const statusQuery = { machine: textParameter, lines: linesParameter };
export const fromMachines = { machine: textParameter, ...journalQuery };

/** Calls of one fleetd to another, which shows the cluster's secret; no document has them. */
export const peerCalls = calls({
  Status: {
    id: 'fleet.Peer.Status',
    description: 'Status text of a unit on this machine.',
    method: 'GET',
    path: 'peer/units/{unitName}/status',
    query: { lines: linesParameter },
    responses: { 200: { json: peerStatus } },
    errors: ['conflict'],
  },
  Journal: {
    id: 'fleet.Peer.Journal',
    description: 'Journal of a unit on this machine.',
    method: 'GET',
    path: 'peer/units/{unitName}/journal',
    query: journalQuery,
    responses: { 200: { text: 'text/plain' } },
    errors: ['conflict'],
  },
});
