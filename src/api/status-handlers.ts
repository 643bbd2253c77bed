import { FlotillaError, messageOf } from '../lib/index.ts';
import type { UnitStatus } from '../model/index.ts';
import type { UnitRuntime } from '../runtime/index.ts';
import { type ApiParts, DEFAULT_PEER_TIMEOUT_MS } from './api-parts.ts';
import type { Asked } from './call-handlers.ts';
import { withDeadline } from './deadline.ts';
import type { ApiPeerStatus, ApiUnitStatusReport, unitCalls } from './shapes/index.ts';
import { type Holder, holdersOf } from './unit-holders.ts';

type Report = ApiUnitStatusReport['reports'][number];

/** A global unit of a very large cluster must not take all sockets of this fleetd. */
const ASKED_AT_ONCE = 256;

/** Status of a unit, from the machines that hold it. */
export async function getStatus(
  { path: { unitName: name }, query: { lines, machine }, context }: Asked<typeof unitCalls.Status>,
  parts: ApiParts,
): Promise<ApiUnitStatusReport> {
  const snapshot = await parts.reader.view.read();
  const holders = holdersOf(snapshot, name, machine);
  const signal = AbortSignal.any([context.req.raw.signal, parts.closing]);
  const reports: Report[] = [];
  for (let at = 0; at < holders.length; at += ASKED_AT_ONCE) {
    const batch = holders.slice(at, at + ASKED_AT_ONCE);
    reports.push(...(await Promise.all(batch.map((holder) => reportOf(parts, { name, lines, holder, signal })))));
  }
  const statuses = snapshot.statuses.get(name);
  reports.forEach((report, i) => {
    const status = statuses?.get(report.machineID);
    if (isUnknown(report) && status?.load === 'error') reports[i] = { ...report, ...refusedStatus(status) };
  });
  return { name, reports };
}

/** What runs the machine's units answered, but holds no such unit. */
function isUnknown({ exitCode, error }: Report): boolean {
  return exitCode === 4 && error === undefined;
}

/** A unit that its machine refused to load is nothing its runtime knows of; the machine has told why, though. */
function refusedStatus({ unit, active, sub, note = 'refused by its machine' }: UnitStatus): ApiPeerStatus {
  const text = `× ${unit}\n     Loaded: error (Reason: ${note})\n     Active: ${active} (${sub})`;
  return { text, exitCode: 3 };
}

interface Question {
  readonly name: string;
  readonly lines: number;
  readonly holder: Holder;
  readonly signal: AbortSignal;
}

/** A machine that does not answer is part of the report; it keeps none of the others back. */
async function reportOf(parts: ApiParts, question: Question): Promise<Report> {
  const { id, machine } = question.holder;
  const head = { machineID: id, address: machine?.address ?? '' };
  try {
    return { ...head, ...(await askStatus(parts, question)) };
  } catch (error) {
    if (!(error instanceof FlotillaError))
      parts.options.log.warn('Status failed', { unit: question.name, error: messageOf(error) });
    return { ...head, text: '', exitCode: 4, error: messageOf(error) };
  }
}

async function askStatus(parts: ApiParts, { name, lines, holder, signal }: Question): Promise<ApiPeerStatus> {
  if (holder.id === parts.options.machineId) return localStatus(parts, name, lines);
  if (holder.machine === undefined) throw machineGone(holder.id);
  const { text, exitCode } = await parts.peers.getJson(holder.machine, {
    call: 'peer/units/{unitName}/status',
    path: { unitName: name },
    query: { lines },
    signal,
  });
  return { text, exitCode };
}

export function localStatus({ options }: ApiParts, name: string, lines: number): Promise<ApiPeerStatus> {
  const { clock, peerTimeoutMs = DEFAULT_PEER_TIMEOUT_MS } = options;
  const late = () => new FlotillaError('timeout', 'what runs the units of this machine did not answer in time');
  return withDeadline(runtimeOf(options.runtime).status(name, { lines }), peerTimeoutMs, { clock, late });
}

/** This machine's runtime; throws when it has none. */
export function runtimeOf(runtime: UnitRuntime | undefined): UnitRuntime {
  if (runtime === undefined) throw new FlotillaError('conflict', 'this fleetd runs no units');
  return runtime;
}

export function machineGone(id: string): FlotillaError {
  return new FlotillaError('timeout', `machine ${id} is not in the cluster at the moment`);
}
