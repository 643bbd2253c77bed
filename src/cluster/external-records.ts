import { FlotillaError } from '../lib/index.ts';
import { type ExternalNode, externalNodeId, type NodeCheck, type ServiceInstance } from '../model/index.ts';
import { MAX_COMMIT_WRITES, prefixRange, type Write } from '../store/index.ts';
import { chunks } from './chunks.ts';
import { decodeNodeCheck, encodeInstance, encodeNodeCheck } from './instance-codec.ts';
import { encodeExternal } from './record-codec.ts';
import { COMPARE_AND_SET_TRIES, isWritten, type Records, unchanged } from './records.ts';

/** What is said of an external node at once. */
export interface ExternalRegistration {
  readonly node: ExternalNode;
  /** A node that is there already stays as it is. */
  readonly keepNode: boolean;
  /** Its checks stand in `checks`. */
  readonly instance?: Omit<ServiceInstance, 'machine' | 'checks'>;
  /** MAX_EXTERNAL_CHECKS at most; others of the node stay as they are. */
  readonly checks: readonly NodeCheck[];
}

/** What one commit can be conditional on: each check, and the instance that it names. */
export const MAX_EXTERNAL_CHECKS = 60;

/**
 * Registers an external node, an instance there and checks, in one commit; what is as it says already is not written.
 * Throws `invalid` when a check names an instance that is not there.
 *
 * The commit is conditional on all it touches, on the node and on the instances its checks
 * are about: nothing is ever written on a node, or about an instance, that somebody takes back at that moment.
 */
export async function registerExternal(records: Records, registration: ExternalRegistration): Promise<void> {
  const { keys, store } = records;
  const { node, keepNode, instance, checks } = registration;
  const id = externalNodeId(node.name);
  const nodeKey = keys.external(id);
  const wanted = new Map([[nodeKey, encodeExternal(node)]]);
  if (instance) wanted.set(keys.instance(id, instance.id), encodeInstance({ ...instance, machine: id, checks: [] }));
  for (const check of checks) wanted.set(keys.check(id, check.id), encodeNodeCheck(check));
  const named = new Map(checks.map((check) => [keys.instance(id, check.service), check]));
  named.delete(keys.instance(id, ''));
  const touched = [...new Set([...wanted.keys(), ...named.keys()])];
  await repeatedly(node.name, async () => {
    const there = new Map((await store.getMany(touched)).map((entry) => [entry.key, entry]));
    for (const [key, check] of named) if (!there.has(key) && !wanted.has(key)) throw unknownInstance(node.name, check);
    const writes = [...wanted]
      .filter(([key, record]) => !isWritten(there.get(key), record))
      .filter(([key]) => !(keepNode && key === nodeKey && there.has(key)))
      .map(([key, record]) => records.put(key, record));
    if (writes.length === 0) return true;
    const conditions = touched.map((key) => unchanged(key, there.get(key)));
    return (await store.commit(conditions, writes)).ok;
  });
}

/**
 * Takes back an instance of an external node with its checks, else a check, else (neither is named) the node with all it
 * has. What is not there is no error.
 */
export async function deregisterExternal(
  records: Records,
  { node, service, check }: { readonly node: string; readonly service: string; readonly check: string },
): Promise<void> {
  const { keys, store } = records;
  const id = externalNodeId(node);
  if (service !== '') return removeInstance(records, node, service);
  const all = ['instance', 'check'] as const;
  const whole: Write[] = [
    { delete: keys.external(id) },
    ...all.map((kind) => ({ deleteRange: prefixRange(keys[kind](id, '')) })),
  ];
  await store.commit([], check === '' ? whole : [{ delete: keys.check(id, check) }]);
}

/** With its checks: one that is added meanwhile is seen by the next try. */
async function removeInstance(records: Records, node: string, service: string): Promise<void> {
  const { keys, store } = records;
  const id = externalNodeId(node);
  const range = prefixRange(keys.check(id, ''));
  await repeatedly(node, async () => {
    const { entries, revision } = await store.list(range);
    const about = entries.filter(({ key, value }) => decodeNodeCheck(id, key, value)?.service === service);
    const writes = [keys.instance(id, service), ...about.map(({ key }) => key)].map((key) => ({ delete: key }));
    for (const batch of chunks(writes, MAX_COMMIT_WRITES)) {
      const { ok } = await store.commit([{ range, unchangedSince: revision }], batch);
      if (!ok) return false;
    }
    return true;
  });
}

async function repeatedly(node: string, attempt: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < COMPARE_AND_SET_TRIES; tries++) if (await attempt()) return;
  throw new FlotillaError('conflict', `node ${node} is being changed by many writers at once; try again`);
}

function unknownInstance(node: string, { id, service }: { readonly id: string; readonly service: string }) {
  const sentence = `Unknown service ID ${JSON.stringify(service)} on node ${JSON.stringify(node)} for check ID ${JSON.stringify(id)}`;
  return new FlotillaError('invalid', sentence);
}
