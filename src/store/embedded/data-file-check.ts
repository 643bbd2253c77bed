import { closeSync, openSync, readSync } from 'node:fs';

// LMDB's data file, version 2: pages with a header of 24 bytes, the first two of them meta pages.
const PAGE_HEADER_BYTES = 24;
const META = { magic: 24, pageBytes: 48, freeRoot: 88, mainRoot: 136, lastPage: 144, txn: 152 } as const;
const PAGE = { number: 0, flags: 18, lower: 20, upper: 22, overflowPages: 20 } as const;
const NODE = { low: 0, high: 2, flags: 4, keyBytes: 6, key: 8 } as const;
const MAGIC = 0xbeefc0de;
const [BRANCH, LEAF, OVERFLOW] = [0x01, 0x02, 0x04];
const [BIG_DATA, SUB_TREE] = [0x01, 0x02];
const SUB_TREE_ROOT = 40;
const EMPTY_TREE = 0xffff_ffff_ffff_ffffn;
const MAX_DEPTH = 32;

/**
 * Returns what is wrong with the structure of a data file, undefined if nothing is. LMDB maps the file into memory and
 * trusts it: a missing or garbled page would kill the process that reads it, so all pages are checked first.
 */
export function findDamage(path: string): string | undefined {
  const file = openSync(path, 'r');
  try {
    return new DataFileCheck(file).run();
  } finally {
    closeSync(file);
  }
}

class Damage extends Error {}

class DataFileCheck {
  readonly #file: number;
  #pageBytes = 4096;
  #lastPage = 0;

  constructor(file: number) {
    this.#file = file;
  }

  run(): string | undefined {
    try {
      const meta = this.#newestMeta();
      this.#tree(meta.readBigUInt64LE(META.freeRoot), 0);
      this.#tree(meta.readBigUInt64LE(META.mainRoot), 0);
      return undefined;
    } catch (error) {
      if (error instanceof Damage) return error.message;
      // An offset points outside of its page.
      if (error instanceof RangeError) return 'is garbled';
      throw error;
    }
  }

  #newestMeta(): Buffer {
    const metas = [0, 1].map((number) => this.#read(number)).filter((page) => page.readUInt32LE(META.magic) === MAGIC);
    const newest = metas.sort((a, b) => Number(b.readBigUInt64LE(META.txn) - a.readBigUInt64LE(META.txn)))[0];
    if (!newest) throw new Damage('does not begin as a data file');
    this.#pageBytes = newest.readUInt32LE(META.pageBytes);
    this.#lastPage = Number(newest.readBigUInt64LE(META.lastPage));
    return newest;
  }

  #tree(root: bigint, depth: number): void {
    if (root === EMPTY_TREE) return;
    const page = this.#page(Number(root));
    const flags = page.readUInt16LE(PAGE.flags);
    if (depth > MAX_DEPTH || (flags & (BRANCH | LEAF)) === 0) throw new Damage(`is garbled at page ${root}`);
    const count = page.readUInt16LE(PAGE.lower) >> 1;
    if (page.readUInt16LE(PAGE.lower) > page.readUInt16LE(PAGE.upper)) throw new Damage(`is garbled at page ${root}`);
    for (let at = 0; at < count; at++) {
      const node = page.subarray(PAGE_HEADER_BYTES + page.readUInt16LE(PAGE_HEADER_BYTES + 2 * at));
      if (flags & BRANCH) this.#tree(childOf(node), depth + 1);
      else this.#leafNode(node, depth);
    }
  }

  #leafNode(node: Buffer, depth: number): void {
    const flags = node.readUInt16LE(NODE.flags);
    const dataAt = NODE.key + node.readUInt16LE(NODE.keyBytes);
    const bytes = node.readUInt32LE(NODE.low);
    if (flags & BIG_DATA) this.#overflow(node.readBigUInt64LE(dataAt), bytes);
    else if (dataAt + bytes > node.length) throw new RangeError('the value ends behind its page');
    else if (flags & SUB_TREE) this.#tree(node.readBigUInt64LE(dataAt + SUB_TREE_ROOT), depth + 1);
  }

  /** Checks a value too big for a leaf: it occupies consecutive pages, the first of which has a header. */
  #overflow(first: bigint, bytes: number): void {
    const page = this.#page(Number(first));
    const pages = Math.ceil((PAGE_HEADER_BYTES + bytes) / this.#pageBytes);
    if (!(page.readUInt16LE(PAGE.flags) & OVERFLOW) || page.readUInt32LE(PAGE.overflowPages) < pages) {
      throw new Damage(`is garbled at page ${first}`);
    }
    if (pages > 1) this.#read(Number(first) + pages - 1);
  }

  #page(number: number): Buffer {
    const page = number <= this.#lastPage ? this.#read(number) : undefined;
    if (Number(page?.readBigUInt64LE(PAGE.number)) !== number) throw new Damage(`is garbled at page ${number}`);
    return page!;
  }

  #read(number: number): Buffer {
    const page = Buffer.allocUnsafe(this.#pageBytes);
    if (readSync(this.#file, page, 0, this.#pageBytes, number * this.#pageBytes) < this.#pageBytes) {
      throw new Damage(number < 2 ? 'does not begin as a data file' : 'is cut off');
    }
    return page;
  }
}

function childOf(node: Buffer): bigint {
  return BigInt(node.readUInt32LE(NODE.low)) | (BigInt(node.readUInt16LE(NODE.flags)) << 32n);
}
