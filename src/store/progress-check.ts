import { isFlotillaError } from '../lib/index.ts';
import { RANGE, READ_TXN, STATUS_CALL } from './etcd-calls.ts';
import type { EtcdClient } from './etcd-client.ts';
import { RangeResponse, ResponseOp } from './proto/index.ts';

interface EncodedRange {
  readonly key: Buffer;
  readonly rangeEnd: Buffer;
}

/**
 * Returns whether the server's progress responses can be trusted. Before 3.4.25 and 3.5.8 etcd may send them ahead of
 * events of the same revision (etcd-io/etcd#15220); for such servers a watch reads instead.
 */
export async function answersProgressInOrder(client: EtcdClient): Promise<boolean> {
  try {
    return isOrdered((await client.call(STATUS_CALL, {})).version);
  } catch (error) {
    if (isFlotillaError(error, 'forbidden') || isFlotillaError(error, 'unauthorized')) return false;
    throw error;
  }
}

/** True for etcd versions that send progress responses in order. */
export function isOrdered(version: string): boolean {
  const [major = 0, minor = 0, patch = 0] = version.split(/[.-]/).map(Number);
  if (major !== 3) return major > 3;
  if (minor === 4) return patch >= 25;
  if (minor === 5) return patch >= 8;
  return minor > 5;
}

/**
 * Finds out by reads how far a watch has got that has delivered everything up to `delivered`. Returns a revision up to
 * which nothing else happened in the range, or undefined when an event is still on its way. Costs the server a walk
 * over the range. Throws `compacted` when `delivered` is too old to tell.
 */
export async function quietUntil(
  client: EtcdClient,
  range: EncodedRange,
  delivered: number,
): Promise<number | undefined> {
  const newer = { range: { ...range, minModRevision: delivered + 1, limit: 1, keysOnly: true } };
  const all = { range: { ...range, countOnly: true } };
  const { header, responses } = await client.call(READ_TXN, { success: [newer, all] });
  const revision = header?.revision ?? 0;
  if (revision <= delivered) return delivered;
  const [found, counted] = responses.map((op) => RangeResponse.decode(ResponseOp.decode(op).range));
  if (!found || !counted || found.kvs.length > 0) return undefined;
  // No key is newer; with an equal number of keys none was deleted either.
  const before = delivered === 0 ? 0 : (await client.call(RANGE, { ...all.range, revision: delivered })).count;
  return before === counted.count ? revision : undefined;
}
