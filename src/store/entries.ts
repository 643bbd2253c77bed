import type { KeyValue } from './proto/index.ts';
import type { Entry, Range } from './store.ts';

/** Maps keys of the Store to keys of etcd: all below one prefix. */
export class KeyMapping {
  readonly #prefix: string;

  constructor(prefix: string) {
    this.#prefix = prefix;
  }

  key(key: string): Buffer {
    return Buffer.from(this.#prefix + key);
  }

  range(range: Range): { readonly key: Buffer; readonly rangeEnd: Buffer } {
    return { key: this.key(range.from), rangeEnd: this.key(range.to) };
  }

  name(key: Buffer): string {
    return key.toString('utf8', Buffer.byteLength(this.#prefix));
  }

  entry(kv: KeyValue): Entry {
    const { createRevision, modRevision } = kv;
    const entry = { key: this.name(kv.key), value: kv.value.toString('utf8'), createRevision, modRevision };
    return kv.lease === 0n ? entry : { ...entry, lease: String(kv.lease) };
  }
}
