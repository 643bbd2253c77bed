import type { Range } from '../store/index.ts';
import { CatalogFold } from './catalog-fold.ts';
import { CertificateFold } from './certificate-records.ts';
import { Fold } from './fold.ts';
import type { Records } from './records.ts';
import type { CatalogChange, CatalogRecords, CertificateChange, CertificateRecords, View } from './snapshot.ts';
import { openView } from './view.ts';

/** Units, machines, placements and leader: what the leader needs. */
export function engineView(records: Records, signal: AbortSignal): Promise<View> {
  return viewOf(records, records.keys.engineRange, signal);
}

/** Machines and leader only: what a candidate needs. */
export function candidateView(records: Records, signal: AbortSignal): Promise<View> {
  return viewOf(records, records.keys.candidateRange, signal);
}

/** Everything: what the API shows. */
export function fullView(records: Records, signal: AbortSignal): Promise<View> {
  return viewOf(records, records.keys.fullRange, signal, { tellsAll: true });
}

/** One machine's placements. */
export function agentView(records: Records, machine: string, signal: AbortSignal): Promise<View> {
  return viewOf(records, records.keys.agentRange(machine), signal);
}

/** Machines, external nodes, service instances and checks: what every machine's catalog shows. */
export function catalogView(records: Records, signal: AbortSignal): Promise<View<CatalogRecords, CatalogChange>> {
  const { keys, onUnreadable } = records;
  return openView({ ...records, fold: new CatalogFold(keys, onUnreadable), range: keys.catalogRange, signal });
}

/** The certificates of all machines' routers. */
export function certificateView(
  records: Records,
  signal: AbortSignal,
): Promise<View<CertificateRecords, CertificateChange>> {
  const { keys, onUnreadable } = records;
  return openView({ ...records, fold: new CertificateFold(keys, onUnreadable), range: keys.certificateRange, signal });
}

function viewOf(
  records: Records,
  range: Range,
  signal: AbortSignal,
  more: { readonly tellsAll?: boolean } = {},
): Promise<View> {
  return openView({ ...records, fold: new Fold(records.keys, records.onUnreadable), range, signal, ...more });
}
