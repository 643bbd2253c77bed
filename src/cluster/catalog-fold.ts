import type { ExternalNode, Machine, NodeCheck, ServiceInstance } from '../model/index.ts';
import { difference, type FoldEntry, type FoldOf, mergeMetadata, replace, replaceNested } from './fold-steps.ts';
import { decodeInstance, decodeNodeCheck } from './instance-codec.ts';
import type { Keys } from './keys.ts';
import { decodeExternal, decodeMachine } from './record-codec.ts';
import type { CatalogChange, CatalogRecords, Revised } from './snapshot.ts';

/**
 * Nodes, service instances and checks folded into maps, with their revisions. A record that is written again is a change;
 * one that is merely read again is none, so that an object derived from it is kept.
 */
export class CatalogFold implements CatalogRecords, FoldOf<CatalogChange> {
  readonly #keys: Keys;
  readonly #onUnreadable: (key: string) => void;
  readonly #announced = new Map<string, Revised<Machine>>();
  readonly #overrides = new Map<string, Map<string, string>>();
  /** The revision in which each override was written, by its key. */
  readonly #overridden = new Map<string, number>();
  revision = 0;
  readonly machines = new Map<string, Revised<Machine>>();
  readonly externals = new Map<string, Revised<ExternalNode>>();
  readonly instances = new Map<string, Map<string, Revised<ServiceInstance>>>();
  readonly checks = new Map<string, Map<string, Revised<NodeCheck>>>();

  constructor(keys: Keys, onUnreadable: (key: string) => void) {
    this.#keys = keys;
    this.#onUnreadable = onUnreadable;
  }

  set(key: string, entry: FoldEntry | undefined): CatalogChange | undefined {
    const parsed = this.#keys.parse(key);
    switch (parsed?.kind) {
      case 'instance':
        return this.#setNested(this.instances, { ...parsed, key, entry }, decodeInstance);
      case 'check':
        return this.#setNested(this.checks, { ...parsed, key, entry }, decodeNodeCheck);
      case 'external': {
        const { kind, id } = parsed;
        if (this.externals.get(id)?.modifyRevision === entry?.modRevision) return undefined;
        const after = this.#revised(key, entry, (value) => decodeExternal(id, value));
        return difference({ kind, id }, replace(this.externals, id, after), after);
      }
      case 'machine': {
        if (this.#announced.get(parsed.id)?.modifyRevision === entry?.modRevision) return undefined;
        const after = this.#revised(key, entry, (value) => decodeMachine(parsed.id, value));
        replace(this.#announced, parsed.id, after);
        return this.#mergeMachine(parsed.id);
      }
      case 'metadata': {
        if (this.#overridden.get(key) === entry?.modRevision) return undefined;
        replace(this.#overridden, key, entry?.modRevision);
        const overrides = this.#overrides.get(parsed.id) ?? new Map<string, string>();
        this.#overrides.set(parsed.id, overrides);
        replace(overrides, parsed.key, entry?.value);
        return this.#mergeMachine(parsed.id);
      }
      default:
        return undefined;
    }
  }

  #setNested<T extends object>(
    map: Map<string, Map<string, Revised<T>>>,
    read: {
      readonly kind: 'instance' | 'check';
      readonly node: string;
      readonly id: string;
      readonly key: string;
      readonly entry: FoldEntry | undefined;
    },
    decode: (node: string, id: string, value: string) => T | undefined,
  ): CatalogChange | undefined {
    const { kind, node, id, key, entry } = read;
    if (map.get(node)?.get(id)?.modifyRevision === entry?.modRevision) return undefined;
    const after = this.#revised(key, entry, (value) => decode(node, id, value));
    return difference({ kind, node, id }, replaceNested(map, node, id, after), after);
  }

  #revised<T>(
    key: string,
    entry: FoldEntry | undefined,
    decode: (value: string) => T | undefined,
  ): Revised<T> | undefined {
    if (entry === undefined) return undefined;
    const record = decode(entry.value);
    if (record === undefined) this.#onUnreadable(key);
    return record && { ...record, createRevision: entry.createRevision, modifyRevision: entry.modRevision };
  }

  #mergeMachine(id: string): CatalogChange | undefined {
    const after = mergeMetadata(this.#announced.get(id), this.#overrides.get(id));
    return difference({ kind: 'machine', id }, replace(this.machines, id, after), after);
  }
}
