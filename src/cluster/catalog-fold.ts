import type { Machine, ServiceInstance } from '../model/index.ts';
import { difference, type FoldEntry, type FoldOf, mergeMetadata, replace, replaceNested } from './fold-steps.ts';
import { decodeInstance } from './instance-codec.ts';
import type { Keys } from './keys.ts';
import { decodeMachine } from './record-codec.ts';
import type { CatalogChange, CatalogRecords, Revised } from './snapshot.ts';

/**
 * Machines and service instances folded into maps, with their revisions. A record that is written anew is a change; one
 * that is merely read again is none, so that whatever was made from it stays as it is.
 */
export class CatalogFold implements CatalogRecords, FoldOf<CatalogChange> {
  readonly #keys: Keys;
  readonly #onUnreadable: (key: string) => void;
  readonly #announced = new Map<string, Revised<Machine>>();
  readonly #overrides = new Map<string, Map<string, string>>();
  /** When each override was written, by its key. */
  readonly #overridden = new Map<string, number>();
  revision = 0;
  readonly machines = new Map<string, Revised<Machine>>();
  readonly instances = new Map<string, Map<string, Revised<ServiceInstance>>>();

  constructor(keys: Keys, onUnreadable: (key: string) => void) {
    this.#keys = keys;
    this.#onUnreadable = onUnreadable;
  }

  set(key: string, entry: FoldEntry | undefined): CatalogChange | undefined {
    const parsed = this.#keys.parse(key);
    switch (parsed?.kind) {
      case 'instance':
        return this.#setInstance(key, parsed, entry);
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

  #setInstance(
    key: string,
    { machine, id }: { readonly machine: string; readonly id: string },
    entry: FoldEntry | undefined,
  ): CatalogChange | undefined {
    if (this.instances.get(machine)?.get(id)?.modifyRevision === entry?.modRevision) return undefined;
    const after = this.#revised(key, entry, (value) => decodeInstance(machine, id, value));
    return difference({ kind: 'instance', machine, id }, replaceNested(this.instances, machine, id, after), after);
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
