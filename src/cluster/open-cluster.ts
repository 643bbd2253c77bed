import type { Clock, Log, Random } from '../lib/index.ts';
import { FlotillaError } from '../lib/index.ts';
import type { Range, Store } from '../store/index.ts';
import { CatalogFold } from './catalog-fold.ts';
import { CertificateFold, listCertificates, putCertificate, removeCertificate } from './certificate-records.ts';
import type { Cluster } from './cluster.ts';
import { deregisterExternal, registerExternal } from './external-records.ts';
import { Fold } from './fold.ts';
import { readHistory } from './history.ts';
import { campaign } from './leadership.ts';
import {
  announce,
  checksOf,
  instancesOf,
  putChecks,
  putInstances,
  putStatuses,
  statusesOf,
} from './machine-records.ts';
import { Records } from './records.ts';
import { ranOnce, recordRun } from './run-records.ts';
import type { View } from './snapshot.ts';
import { destroyUnit, putUnit, readSubmitted, readTexts, setDesired, setMetadata } from './unit-records.ts';
import { openView } from './view.ts';

export interface ClusterOptions {
  readonly store: Store;
  /** Every key starts with this, e.g. `/_coreos.com/fleet/`. */
  readonly prefix: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

export function openCluster(options: ClusterOptions): Cluster {
  const { store, clock, random, log } = options;
  const onUnreadable = (key: string) => log.error('Unreadable record passed over', { key });
  const records = new Records({ store, prefix: options.prefix, clock, onUnreadable });
  const { keys } = records;
  const common = { store, clock, random, log };
  const viewOf = (range: Range, signal: AbortSignal, more: { readonly tellsAll?: boolean } = {}): Promise<View> =>
    openView({ ...common, fold: new Fold(keys, onUnreadable), range, signal, ...more });
  return {
    putUnit: (...unit) => putUnit(records, ...unit),
    setDesired: (name, desired) => setDesired(records, name, desired),
    destroyUnit: (name) => destroyUnit(records, name),
    texts: (units) => readTexts(records, units),
    submittedText: (unit) => readSubmitted(records, unit),
    setMetadata: (changes) => setMetadata(records, changes),
    putCertificate: (name, pem) => putCertificate(records, name, pem),
    removeCertificate: (name) => removeCertificate(records, name),
    certificates: () => listCertificates(records),
    secret: () => readSecret(records, random),
    engineView: (signal) => viewOf(keys.engineRange, signal),
    candidateView: (signal) => viewOf(keys.candidateRange, signal),
    fullView: (signal) => viewOf(keys.fullRange, signal, { tellsAll: true }),
    agentView: (machine, signal) => viewOf(keys.agentRange(machine), signal),
    catalogView: (signal) =>
      openView({ ...common, fold: new CatalogFold(keys, onUnreadable), range: keys.catalogRange, signal }),
    certificateView: (signal) =>
      openView({ ...common, fold: new CertificateFold(keys, onUnreadable), range: keys.certificateRange, signal }),
    history: (limit, signal) => readHistory({ store, keys, limit, signal }),
    lease: (ttlMs) => store.lease(ttlMs),
    resumeLease: (id) => store.resumeLease(id),
    announce: (machine, token, lease) => announce(records, machine, token, lease),
    statusesOf: (announcement) => statusesOf(records, announcement),
    putStatuses: (announcement, changes) => putStatuses(records, announcement, changes),
    ranOnce: (units) => ranOnce(records, units),
    recordRun: (announcement, unit) => recordRun(records, announcement, unit),
    instancesOf: (announcement) => instancesOf(records, announcement),
    putInstances: (announcement, changes) => putInstances(records, announcement, changes),
    checksOf: (announcement) => checksOf(records, announcement),
    putChecks: (announcement, changes) => putChecks(records, announcement, changes),
    registerExternal: (registration) => registerExternal(records, registration),
    deregisterExternal: (what) => deregisterExternal(records, what),
    campaign: (machine, lease) => campaign(records, machine, lease),
  };
}

async function readSecret(records: Records, random: Random): Promise<string> {
  const existing = await records.store.get(records.keys.secret);
  if (existing) return existing.value;
  await records.store.commit(
    [{ key: records.keys.secret, createRevision: 0 }],
    [{ put: records.keys.secret, value: random.hex(32) }],
  );
  // Whoever wrote first decided: read it back.
  const entry = await records.store.get(records.keys.secret);
  if (!entry) throw new FlotillaError('unavailable', 'the cluster secret vanished while it was made; try again');
  return entry.value;
}
