import { certificates, putCertificate, removeCertificate } from './certificate-records.ts';
import { deregisterExternal, registerExternal } from './external-records.ts';
import { history } from './history.ts';
import { campaign } from './leadership.ts';
import {
  announce,
  checksOf,
  instancesOf,
  lease,
  putChecks,
  putInstances,
  putStatuses,
  resumeLease,
  statusesOf,
} from './machine-records.ts';
import { type ClusterOptions, Records } from './records.ts';
import { ranOnce, recordRun } from './run-records.ts';
import { secret } from './secret.ts';
import { destroyUnit, putUnit, setDesired, setMetadata, submittedText, texts } from './unit-records.ts';
import { agentView, candidateView, catalogView, certificateView, engineView, fullView } from './views.ts';

export type { ClusterOptions };

/** All operations on the cluster's records, grouped by their callers; each is described where it is defined. */
const operations = {
  // The API writes units, metadata and certificates.
  putUnit,
  setDesired,
  destroyUnit,
  texts,
  submittedText,
  setMetadata,
  putCertificate,
  removeCertificate,
  certificates,
  secret,
  // All parts read these.
  engineView,
  candidateView,
  fullView,
  agentView,
  catalogView,
  certificateView,
  history,
  // A machine writes these under its lease.
  lease,
  resumeLease,
  announce,
  statusesOf,
  putStatuses,
  ranOnce,
  recordRun,
  instancesOf,
  putInstances,
  checksOf,
  putChecks,
  // Any machine's API writes these, about computers without fleetd.
  registerExternal,
  deregisterExternal,
  // A candidate for leadership.
  campaign,
};

/** An operation without its first parameter. */
type Bound<T> = T extends (records: Records, ...given: infer Given) => infer Result
  ? (...given: Given) => Result
  : never;

/**
 * The cluster's records in the store: typed reads and fenced writes. Only this folder knows the keys.
 * Every method rejects with FlotillaError `unavailable` while the store cannot be reached.
 */
export type Cluster = { readonly [Name in keyof typeof operations]: Bound<(typeof operations)[Name]> };

export function openCluster(options: ClusterOptions): Cluster {
  const records = new Records(options);
  const all: Readonly<Record<string, (records: Records, ...given: never[]) => unknown>> = operations;
  const bound = Object.entries(all).map(([name, operation]) => [name, operation.bind(undefined, records)]);
  return Object.fromEntries(bound) as Cluster;
}
