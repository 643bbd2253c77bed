import { FlotillaError } from '../lib/index.ts';
import { type ExternalNode, externalNodeId, type NodeCheck, type ServiceInstance } from '../model/index.ts';
import { MAX_COMMIT_WRITES, prefixRange, type Write } from '../store/index.ts';
import { chunks } from './chunks.ts';
import { decodeNodeCheck, encodeInstance, encodeNodeCheck } from './instance-codec.ts';
import { encodeExternal } from './record-codec.ts';
import { COMPARE_AND_SET_TRIES, isWritten, type Records, unchanged } from './records.ts';

/** What one call registers of an external node. */
export interface ExternalRegistration {
  readonly node: ExternalNode;
  /** Used for a new node; one that is registered already stays as it is. */
  readonly keepNode: boolean;
  /** The instance without its checks, which are in `checks`. */
  readonly instance?: Omit<ServiceInstance, 'machine' | 'checks'>;
  /** At most MAX_EXTERNAL_CHECKS; the node's other checks stay as they are. */
  readonly checks: readonly NodeCheck[];
}

/** The most checks in one call: the commit has a condition for each, and for the instance that it names. */
export const MAX_EXTERNAL_CHECKS = 60;

/**
 * Registers an external node, an instance there and checks, in one commit; records that would not change are not written.
 * Throws `invalid` when a check names an instance that is not registered.
 *
 * The commit has a condition for each record that it touches, for the node, and for each instance that a check names: no
 * instance is left on a node, and no check on an instance, that another call deregisters at the same time.
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
 * Deregisters an instance of an external node with its checks, else a check, else (neither is named) the whole node. It is
 * no error when there is nothing to deregister.
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

/** Deletes an instance with its checks. A check added meanwhile fails the condition, and the next try deletes it too. */
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
