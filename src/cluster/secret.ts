import { FlotillaError } from '../lib/index.ts';
import type { Records } from './records.ts';

/** Returns the secret that fleetds show each other; the first to ask makes it. */
export async function secret({ store, keys, random }: Records): Promise<string> {
  const existing = await store.get(keys.secret);
  if (existing) return existing.value;
  await store.commit([{ key: keys.secret, createRevision: 0 }], [{ put: keys.secret, value: random.hex(32) }]);
  // Another fleetd may have written it first: read it back.
  const entry = await store.get(keys.secret);
  if (!entry) throw new FlotillaError('unavailable', 'the cluster secret vanished while it was made; try again');
  return entry.value;
}
