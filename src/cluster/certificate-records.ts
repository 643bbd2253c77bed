import { type FoldEntry, type FoldOf, replace } from './fold-steps.ts';
import type { Keys } from './keys.ts';
import { parseObject } from './record-codec.ts';
import { compareAndSet, type Records } from './records.ts';
import type { CertificateChange, CertificateRecords } from './snapshot.ts';

/** Stores a certificate with its chain and key, in PEM, or replaces the one of that name; returns true when it is new. */
export async function putCertificate(records: Records, name: string, pem: string): Promise<boolean> {
  const key = records.keys.certificate(name);
  let isNew = true;
  await compareAndSet(records, key, (entry) => {
    isNew = entry === undefined;
    return [records.put(key, JSON.stringify({ pem }))];
  });
  return isNew;
}

/** Removes a certificate; returns false when there is none of that name. */
export function removeCertificate(records: Records, name: string): Promise<boolean> {
  const key = records.keys.certificate(name);
  return compareAndSet(records, key, (entry) => entry && [{ delete: key }]);
}

/** Returns all certificates by name, each with its chain and secret key, in PEM: never show them. */
export async function certificates({ store, keys, onUnreadable }: Records): Promise<ReadonlyMap<string, string>> {
  const fold = new CertificateFold(keys, onUnreadable);
  for (const entry of (await store.list(keys.certificateRange)).entries) fold.set(entry.key, entry);
  return fold.certificates;
}

/** Certificates folded into a map by their names. */
export class CertificateFold implements CertificateRecords, FoldOf<CertificateChange> {
  readonly #keys: Keys;
  readonly #onUnreadable: (key: string) => void;
  revision = 0;
  readonly certificates = new Map<string, string>();

  constructor(keys: Keys, onUnreadable: (key: string) => void) {
    this.#keys = keys;
    this.#onUnreadable = onUnreadable;
  }

  set(key: string, entry: FoldEntry | undefined): CertificateChange | undefined {
    const name = this.#keys.certificateOf(key);
    const pem = entry && parseObject(entry.value)?.['pem'];
    const after = typeof pem === 'string' ? pem : undefined;
    if (entry !== undefined && after === undefined) this.#onUnreadable(key);
    const before = replace(this.certificates, name, after);
    return before === after ? undefined : { kind: 'certificate', name };
  }
}
