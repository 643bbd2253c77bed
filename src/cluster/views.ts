import type { Range } from '../store/index.ts';
import { CatalogFold } from './catalog-fold.ts';
import { CertificateFold } from './certificate-records.ts';
import { Fold } from './fold.ts';
import type { Records } from './records.ts';
import type { CatalogChange, CatalogRecords, CertificateChange, CertificateRecords, View } from './snapshot.ts';
import { openView } from './view.ts';

/** Opens the leader's view: units, machines, placements and leader. */
export function engineView(records: Records, signal: AbortSignal): Promise<View> {
  return viewOf(records, records.keys.engineRange, signal);
}

/** Opens a candidate's view: machines and leader only. */
export function candidateView(records: Records, signal: AbortSignal): Promise<View> {
  return viewOf(records, records.keys.candidateRange, signal);
}

/** Opens the API's view: everything that it shows. */
export function fullView(records: Records, signal: AbortSignal): Promise<View> {
  return viewOf(records, records.keys.fullRange, signal, { tellsAll: true });
}

/** Opens the agent's view: the placements of one machine. */
export function agentView(records: Records, machine: string, signal: AbortSignal): Promise<View> {
  return viewOf(records, records.keys.agentRange(machine), signal);
}

/** Opens the catalog's view: machines, external nodes, service instances and checks. */
export function catalogView(records: Records, signal: AbortSignal): Promise<View<CatalogRecords, CatalogChange>> {
  const { keys, onUnreadable } = records;
  return openView({ ...records, fold: new CatalogFold(keys, onUnreadable), range: keys.catalogRange, signal });
}

/** Opens a router's view: the certificates of all routers. */
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
