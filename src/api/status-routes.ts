import type { Context, Hono } from 'hono';
import { FlotillaError, messageOf } from '../lib/index.ts';
import type { UnitStatus } from '../model/index.ts';
import type { UnitRuntime } from '../runtime/index.ts';
import { answerJson } from './answers.ts';
import { type ApiParts, DEFAULT_PEER_TIMEOUT_MS, unitName } from './api-parts.ts';
import { withDeadline } from './deadline.ts';
import type { ApiUnitStatusReport } from './schema.ts';
import { type Holder, holdersOf } from './unit-holders.ts';

type Report = ApiUnitStatusReport['reports'][number];
type RuntimeStatus = Awaited<ReturnType<UnitRuntime['status']>>;

const MAX_LINES = 100_000;
/** A global unit of a very large cluster must not take all sockets of this fleetd. */
const ASKED_AT_ONCE = 256;

/** Status of a unit, from the machines that hold it. */
export function statusRoutes(app: Hono, parts: ApiParts): void {
  app.get('/units/:name/status', (c) => getStatus(c, parts));
  app.get('/peer/units/:name/status', async (c) => answerJson(await localStatus(parts, unitName(c), linesOf(c))));
}

async function getStatus(c: Context, parts: ApiParts): Promise<Response> {
  const name = unitName(c);
  const lines = linesOf(c);
  const snapshot = await parts.reader.view.read();
  const holders = holdersOf(snapshot, name, c.req.query('machine'));
  const signal = AbortSignal.any([c.req.raw.signal, parts.closing]);
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
  return answerJson({ name, reports } satisfies ApiUnitStatusReport);
}

/** What runs the machine's units answered, but holds no such unit. */
function isUnknown({ exitCode, error }: Report): boolean {
  return exitCode === 4 && error === undefined;
}

/** A unit that its machine refused to load is nothing its runtime knows of; the machine has told why, though. */
function refusedStatus({ unit, active, sub, note = 'refused by its machine' }: UnitStatus): RuntimeStatus {
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

async function askStatus(parts: ApiParts, { name, lines, holder, signal }: Question): Promise<RuntimeStatus> {
  if (holder.id === parts.options.machineId) return localStatus(parts, name, lines);
  if (holder.machine === undefined) throw machineGone(holder.id);
  const path = `/units/${encodeURIComponent(name)}/status?lines=${lines}`;
  const { text, exitCode } = await parts.peers.getJson<RuntimeStatus>(holder.machine, path, signal);
  return { text, exitCode };
}

function localStatus({ options }: ApiParts, name: string, lines: number): Promise<RuntimeStatus> {
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

/** How many lines of the journal are asked for. */
export function linesOf(c: Context): number {
  const text = c.req.query('lines') ?? '10';
  const lines = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
  if (Number.isNaN(lines)) throw new FlotillaError('invalid', `lines=${text} is not a number of lines`);
  return Math.min(lines, MAX_LINES);
}
