import { type Clock, FlotillaError, isFlotillaError } from '../lib/index.ts';
import { type Condition, type Entry, MAX_COMMIT_WRITES, type Store, type Write } from '../store/index.ts';
import { evaluate, type KvState } from './evaluate.ts';
import type { KvOperation, KvOutcome, KvPair } from './kv.ts';
import type { KvKeys } from './kv-keys.ts';
import { decodePair, decodeSession, encodeLock, encodePair, type LockRecord } from './kv-records.ts';
import { assertFits, readRange, sizeOf } from './read-range.ts';

/** The parts that writers of pairs and sessions share. */
export interface KvStore {
  readonly store: Store;
  readonly keys: KvKeys;
  readonly clock: Clock;
}

/** Attempts before a transaction is given up whose input others keep changing. */
const TRIES = 64;

/** The input of a transaction, and the conditions under which it is still true when the transaction commits. */
interface Reading {
  readonly state: KvState;
  readonly locks: ReadonlyMap<string, LockRecord>;
  readonly conditions: readonly Condition[];
}

/** Reads, decides, and commits on the condition that its input is unchanged; begins again if it has changed. */
export async function transact(context: KvStore, operations: readonly KvOperation[]): Promise<KvOutcome> {
  for (let attempt = 0; attempt < TRIES; attempt++) {
    const reading = await read(context, operations);
    const evaluation = evaluate(operations, reading.state);
    if (!evaluation.ok) return evaluation;
    const { changes, shown } = evaluation;
    const writes = writesOf(context.keys, changes, reading, operations);
    assertSize(reading.conditions, writes);
    // A single read of one key is consistent by itself: no commit needs to confirm it.
    if (writes.length === 0 && operations.length === 1)
      return { ok: true, pairs: shown.map(({ pair, withValue }) => (withValue ? pair : { ...pair, value: '' })) };
    const commit = await context.store.commit(reading.conditions, writes);
    if (!commit.ok) continue;
    const final = ({ pair, withValue }: (typeof shown)[number]): KvPair => ({
      ...pair,
      ...(withValue ? {} : { value: '' }),
      createIndex: pair.createIndex || commit.revision,
      modifyIndex: pair.modifyIndex || commit.revision,
    });
    return { ok: true, pairs: shown.map(final) };
  }
  throw new FlotillaError('unavailable', 'the keys are changed by others all the time; try again');
}

function assertSize(conditions: readonly Condition[], writes: readonly Write[]): void {
  if (conditions.length <= MAX_COMMIT_WRITES && writes.length <= MAX_COMMIT_WRITES) return;
  throw new FlotillaError('invalid', 'the transaction depends on too many keys; use smaller ones');
}

async function read({ store, keys }: KvStore, operations: readonly KvOperation[]): Promise<Reading> {
  const trees = new Set(operations.filter(({ verb }) => verb.endsWith('-tree')).map(({ key }) => key));
  const shown = operations.filter(({ verb }) => verb === 'get-tree').map(({ key }) => key);
  const single = [...new Set(operations.filter(({ verb }) => !verb.endsWith('-tree')).map(({ key }) => key))];
  const locking = operations.filter((operation) => operation.verb === 'lock');
  const sessions = [...new Set(locking.map(({ session }) => session))].filter(isSessionId);
  const locked = [...new Set(locking.map(({ key }) => key))];
  const places = [
    ...single.map((key) => keys.pair(key)),
    ...sessions.map((id) => keys.session(id)),
    ...locked.map((key) => keys.delay(key)),
  ];
  const found = new Map((await store.getMany(places)).map((entry) => [entry.key, entry]));
  const pairs = new Map<string, KvPair>();
  const keep = (entry: Entry) => {
    const pair = decodePair(keys.keyOf(entry.key), entry);
    if (pair) pairs.set(pair.key, pair);
  };
  // A deletion needs no value: also a tree too large to read can be deleted.
  const keepUnread = (entry: Entry) => {
    const pair = unreadPair(keys.keyOf(entry.key), entry);
    if (!pairs.has(pair.key)) pairs.set(pair.key, pair);
  };
  for (const key of single) if (found.has(keys.pair(key))) keep(found.get(keys.pair(key))!);
  const conditions: Condition[] = places.map((key) => ({ key, createRevision: 0 }));
  places.forEach((key, index) => {
    const entry = found.get(key);
    if (entry) conditions[index] = { key, modRevision: entry.modRevision };
  });
  // The limit holds for the transaction as a whole, since its response repeats a tree for each operation that reads it.
  let chars = 0;
  for (const tree of trees) {
    const range = keys.pairs(tree);
    const times = shown.filter((key) => key === tree).length;
    let keepEntry = keep;
    const { entries, revision } = await readRange(store, range, chars).catch((error) => {
      if (times > 0 || !isFlotillaError(error, 'too-large')) throw error;
      keepEntry = keepUnread;
      return store.list(range, { keysOnly: true });
    });
    const size = entries.reduce((sum, entry) => sum + sizeOf(entry), 0);
    chars += size * Math.max(1, times);
    if (times > 0) assertFits(chars);
    entries.forEach(keepEntry);
    conditions.push({ range, unchangedSince: revision });
  }
  return {
    state: {
      pairs,
      sessions: new Set(sessions.filter((id) => found.has(keys.session(id)))),
      delayed: new Set(locked.filter((key) => found.has(keys.delay(key)))),
    },
    locks: new Map(
      sessions.flatMap((id) => {
        const entry = found.get(keys.session(id));
        const session = entry && decodeSession(id, entry);
        return session ? [[id, session] as const] : [];
      }),
    ),
    conditions,
  };
}

function unreadPair(key: string, { createRevision, modRevision }: Entry): KvPair {
  return { key, value: '', flags: 0n, lockIndex: 0, createIndex: createRevision, modifyIndex: modRevision };
}

/** True for a UUID. Ids become keys of the store, so that anything else cannot be the id of a session. */
function isSessionId(id: string): boolean {
  return /^[0-9a-f-]{1,64}$/i.test(id);
}

function writesOf(
  keys: KvKeys,
  changes: ReadonlyMap<string, KvPair | undefined>,
  { state, locks }: Reading,
  operations: readonly KvOperation[],
): Write[] {
  const trees = operations.filter(({ verb }) => verb === 'delete-tree').map(({ key }) => key);
  const written = [...changes].filter(([, pair]) => pair).map(([key]) => key);
  // Delete a tree by one write, unless the same commit puts a key into it.
  const whole = trees.filter((tree) => !written.some((key) => key.startsWith(tree)));
  const ranges = whole.filter((tree) => !whole.some((other) => other !== tree && tree.startsWith(other)));
  const writes: Write[] = [...new Set(ranges)].map((tree) => ({ deleteRange: keys.pairs(tree) }));
  for (const [key, pair] of changes) {
    const before = state.pairs.get(key)?.session;
    if (pair) writes.push({ put: keys.pair(key), value: encodePair(pair) });
    else if (!ranges.some((tree) => key.startsWith(tree))) writes.push({ delete: keys.pair(key) });
    if (before === pair?.session) continue;
    // A lock record that remains after a large tree is deleted does no harm; the end of its session removes it.
    if (before !== undefined && writes.length < MAX_COMMIT_WRITES) writes.push({ delete: keys.lock(before, key) });
    const lock = pair?.session === undefined ? undefined : locks.get(pair.session);
    if (lock) writes.push({ put: keys.lock(pair!.session!, key), value: encodeLock(lock) });
  }
  return writes;
}
