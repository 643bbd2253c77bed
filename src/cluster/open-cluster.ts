import { type Clock, FlotillaError, type Log, type Random } from '../lib/index.ts';
import type { DesiredState, Machine, Unit, UnitStatus } from '../model/index.ts';
import {
  type Condition,
  type Entry,
  type Lease,
  MAX_COMMIT_WRITES,
  prefixRange,
  type Store,
  type Write,
} from '../store/index.ts';
import type { Announcement, Cluster, Leadership, PlacementWrite } from './cluster.ts';
import { readHistory } from './history.ts';
import { Keys } from './keys.ts';
import {
  decodeMachine,
  decodeStatus,
  decodeUnit,
  encodeLeader,
  encodeMachine,
  encodePlacement,
  encodeStatus,
  encodeUnit,
  machineToken,
} from './records.ts';
import { openView } from './view.ts';

export interface ClusterOptions {
  readonly store: Store;
  /** Every key starts with this, e.g. `/_coreos.com/fleet/`. */
  readonly prefix: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

/** How often a write that only depends on its own key is tried again when somebody else changed that key. */
const COMPARE_AND_SET_TRIES = 16;

export function openCluster(options: ClusterOptions): Cluster {
  const { store, clock, random, log } = options;
  const keys = new Keys(options.prefix);
  const viewOf = (range: Parameters<Store['list']>[0], signal: AbortSignal) =>
    openView({ store, keys, range, clock, random, log, signal });
  return {
    putUnit: (unit, text, existing) => putUnit(store, keys, unit, text, existing),
    setDesired: (name, desired) => setDesired(store, keys, name, desired),
    destroyUnit: (name) => destroyUnit(store, keys, name),
    texts: (units) => readTexts(store, keys, units),
    setMetadata: (changes) => setMetadata(store, keys, changes),
    secret: () => readSecret(store, keys, random),
    engineView: (signal) => viewOf(keys.engineRange, signal),
    candidateView: (signal) => viewOf(keys.candidateRange, signal),
    fullView: (signal) => viewOf(keys.fullRange, signal),
    agentView: (machine, signal) => viewOf(keys.agentRange(machine), signal),
    history: (limit, signal) => readHistory({ store, keys, limit, signal }),
    lease: (ttlMs) => store.lease(ttlMs),
    resumeLease: (id) => store.resumeLease(id),
    announce: (machine, token, lease) => announce(store, keys, machine, token, lease),
    statusesOf: (machine) => statusesOf(store, keys, machine),
    putStatuses: (announcement, changes) => putStatuses(store, keys, announcement, changes),
    campaign: (machine, lease) => campaign(store, keys, clock, machine, lease),
  };
}

async function putUnit(
  store: Store,
  keys: Keys,
  unit: Unit,
  text: string,
  existing: Unit | undefined,
): Promise<boolean> {
  const key = keys.unit(unit.name);
  const current = await store.get(key);
  if ((current === undefined) !== (existing === undefined)) return false;
  if (current && existing && !sameUnit(decodeUnit(unit.name, current.value), existing)) return false;
  const { ok } = await store.commit(
    [unchanged(key, current)],
    [
      { put: key, value: encodeUnit(unit) },
      { put: keys.text(unit.name), value: JSON.stringify({ hash: unit.hash, text }) },
    ],
  );
  return ok;
}

function sameUnit(a: Unit | undefined, b: Unit): boolean {
  return a !== undefined && encodeUnit(a) === encodeUnit(b);
}

function unchanged(key: string, entry: Entry | undefined): Condition {
  return entry ? { key, modRevision: entry.modRevision } : { key, createRevision: 0 };
}

/** Reads `key`, commits what `decide` makes of it on the condition that it did not change, and repeats until it holds. */
async function compareAndSet(
  store: Store,
  key: string,
  decide: (entry: Entry | undefined) => readonly Write[] | undefined,
): Promise<boolean> {
  for (let tries = 0; tries < COMPARE_AND_SET_TRIES; tries++) {
    const entry = await store.get(key);
    const writes = decide(entry);
    if (!writes) return false;
    if (writes.length === 0) return true;
    const { ok } = await store.commit([unchanged(key, entry)], writes);
    if (ok) return true;
  }
  throw new FlotillaError('conflict', `${key} is being changed by many writers at once; try again`, { key });
}

function setDesired(store: Store, keys: Keys, name: string, desired: DesiredState): Promise<boolean> {
  const key = keys.unit(name);
  return compareAndSet(store, key, (entry) => {
    const unit = entry && decodeUnit(name, entry.value);
    if (!unit) return undefined;
    return unit.desired === desired ? [] : [{ put: key, value: encodeUnit({ ...unit, desired }) }];
  });
}

function destroyUnit(store: Store, keys: Keys, name: string): Promise<boolean> {
  const key = keys.unit(name);
  return compareAndSet(store, key, (entry) => entry && [{ delete: key }, { delete: keys.text(name) }]);
}

async function readTexts(
  store: Store,
  keys: Keys,
  units: readonly { readonly name: string; readonly hash: string }[],
): Promise<ReadonlyMap<string, string>> {
  const wanted = new Set(units.map((unit) => unit.hash));
  const texts = new Map<string, string>();
  for (const entry of await store.getMany(units.map((unit) => keys.text(unit.name)))) {
    const { hash, text } = JSON.parse(entry.value) as { hash: string; text: string };
    if (wanted.has(hash)) texts.set(hash, text);
  }
  return texts;
}

async function setMetadata(
  store: Store,
  keys: Keys,
  changes: readonly { machine: string; key: string; value: string | undefined }[],
): Promise<void> {
  const writes = new Map<string, Write>();
  for (const { machine, key, value } of changes) {
    const name = keys.metadata(machine, key);
    // A key may stand in one commit only once: the last word counts.
    writes.set(name, value === undefined ? { delete: name } : { put: name, value });
  }
  for (const batch of chunks([...writes.values()], MAX_COMMIT_WRITES)) await store.commit([], batch);
}

async function readSecret(store: Store, keys: Keys, random: Random): Promise<string> {
  const existing = await store.get(keys.secret);
  if (existing) return existing.value;
  await store.commit([{ key: keys.secret, createRevision: 0 }], [{ put: keys.secret, value: random.hex(32) }]);
  // Whoever wrote first decided: read it back.
  const entry = await store.get(keys.secret);
  if (!entry) throw new FlotillaError('unavailable', 'the cluster secret vanished while it was made; try again');
  return entry.value;
}

async function announce(
  store: Store,
  keys: Keys,
  machine: Machine,
  token: string,
  lease: Lease,
): Promise<Announcement | 'taken'> {
  const key = keys.machine(machine.id);
  const value = encodeMachine(machine, token);
  for (let tries = 0; tries < COMPARE_AND_SET_TRIES; tries++) {
    const current = await store.get(key);
    const inherited = current !== undefined && current.lease !== lease.id;
    if (inherited && !isOwnPast(machine, token, current)) return 'taken';
    const { ok, revision } = await store.commit([unchanged(key, current)], [{ put: key, value, lease: lease.id }]);
    if (!ok) continue;
    if (inherited && current.lease) await store.revokeLease(current.lease);
    return { machine: machine.id, lease, fence: { key, modRevision: revision } };
  }
  return 'taken';
}

/** A record of this very machine from before it lost power: nobody else has its token and its address. */
function isOwnPast(machine: Machine, token: string, entry: Entry): boolean {
  return machineToken(entry.value) === token && decodeMachine(machine.id, entry.value)?.address === machine.address;
}

async function statusesOf(store: Store, keys: Keys, machine: string): Promise<ReadonlyMap<string, UnitStatus>> {
  const statuses = new Map<string, UnitStatus>();
  const { entries } = await store.list(prefixRange(keys.status(machine, '')));
  for (const { key, value } of entries) {
    const parsed = keys.parse(key);
    const status = parsed?.kind === 'status' ? decodeStatus(machine, parsed.unit, value) : undefined;
    if (status) statuses.set(status.unit, status);
  }
  return statuses;
}

async function putStatuses(
  store: Store,
  keys: Keys,
  { machine, lease, fence }: Announcement,
  changes: ReadonlyMap<string, UnitStatus | undefined>,
): Promise<void> {
  const writes = [...changes].map(([unit, status]): Write => {
    const key = keys.status(machine, unit);
    return status ? { put: key, value: encodeStatus(status), lease: lease.id } : { delete: key };
  });
  for (const batch of chunks(writes, MAX_COMMIT_WRITES)) {
    const { ok } = await store.commit([fence], batch);
    if (!ok) throw new FlotillaError('conflict', `machine ${machine} has been announced anew, or is no longer present`);
  }
}

async function campaign(
  store: Store,
  keys: Keys,
  clock: Clock,
  machine: string,
  lease: Lease,
): Promise<Leadership | undefined> {
  const key = keys.leader;
  const current = await store.get(key);
  if (current && current.lease !== lease.id) return undefined;
  // Written again even when this machine leads already: a new term begins with a new fence, so that whatever an earlier
  // term may still have under way in the network is refused.
  const value = encodeLeader({ machine, sinceMs: clock.now() });
  const { ok, revision } = await store.commit(
    // The machine must be present too: a leader whose record nobody sees could not be told from a dead one.
    [unchanged(key, current), { key: keys.machine(machine), lease: lease.id }],
    [{ put: key, value, lease: lease.id }],
  );
  return ok ? leadership(store, keys, { key, modRevision: revision }) : undefined;
}

function leadership(store: Store, keys: Keys, fence: Condition): Leadership {
  return {
    fence,
    async place(writes) {
      assertCommitSize(writes);
      const { ok } = await store.commit(
        [fence],
        writes.map((write) => toWrite(keys, write)),
      );
      return ok;
    },
    async resign() {
      await store.commit([fence], [{ delete: keys.leader }]);
    },
  };
}

function assertCommitSize(writes: readonly PlacementWrite[]): void {
  if (writes.length > MAX_COMMIT_WRITES)
    throw new FlotillaError('internal', `a commit of ${writes.length} placements is more than the store takes`);
}

function toWrite(keys: Keys, write: PlacementWrite): Write {
  if ('put' in write) {
    const { put } = write;
    return { put: keys.placement(put.machine, put.unit), value: encodePlacement(put) };
  }
  return { delete: keys.placement(write.remove.machine, write.remove.unit) };
}

function* chunks<T>(items: readonly T[], size: number): Generator<T[]> {
  for (let i = 0; i < items.length; i += size) yield items.slice(i, i + size);
}
