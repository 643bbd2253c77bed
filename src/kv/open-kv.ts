import type { Clock, Log, Random } from '../lib/index.ts';
import type { Listing, Store } from '../store/index.ts';
import type { Kv, KvPair } from './kv.ts';
import { KvKeys } from './kv-keys.ts';
import { decodePair } from './kv-records.ts';
import { readRange } from './read-range.ts';
import { StoredSessions } from './sessions.ts';
import { transact } from './transact.ts';
import { WatchedChanges } from './watched-changes.ts';

export interface KvOptions {
  readonly store: Store;
  /** The start of every key, e.g. `/_coreos.com/fleet/`. */
  readonly prefix: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** Ends the watch of changes. */
  readonly signal: AbortSignal;
}

/** Opens the pairs and sessions of a cluster. Reads and watches nothing before the first call. */
export function openKv(options: KvOptions): Kv {
  const { store, prefix, log } = options;
  const keys = new KvKeys(prefix);
  const context = { ...options, keys };
  const pairsOf = ({ entries, revision }: Listing) => {
    const pairs: KvPair[] = [];
    for (const entry of entries) {
      const pair = decodePair(keys.keyOf(entry.key), entry);
      if (pair) pairs.push(pair);
      else log.error('Unreadable record passed over', { key: entry.key });
    }
    return { pairs, revision };
  };
  return {
    transact: (operations) => transact(context, operations),
    async get(key) {
      const place = keys.pair(key);
      const { pairs, revision } = pairsOf(await store.list({ from: place, to: `${place}\0` }));
      return { pair: pairs[0], revision };
    },
    async list(prefix) {
      return pairsOf(await readRange(store, keys.pairs(prefix)));
    },
    async keys(prefix) {
      const { entries, revision } = await store.list(keys.pairs(prefix), { keysOnly: true });
      const found = entries.map(({ key, modRevision }) => ({ key: keys.keyOf(key), modifyIndex: modRevision }));
      return { keys: found, revision };
    },
    sessions: new StoredSessions(context),
    changes: new WatchedChanges(context),
  };
}
