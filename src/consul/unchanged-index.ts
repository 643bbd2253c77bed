import type { CatalogSnapshot } from '../services/index.ts';

interface Seen {
  readonly snapshot: CatalogSnapshot;
  readonly body: string;
  readonly index: number;
}

const MAX_VARIANTS = 100;

/**
 * A value derived from the whole catalog whose index moves only when the value changes: clients that wait for the list
 * of services must not be woken by each result of a check.
 */
export class UnchangedIndex {
  readonly #make: (snapshot: CatalogSnapshot, datacenter: string, variant: string) => string;
  readonly #seen = new Map<string, Seen>();

  constructor(make: (snapshot: CatalogSnapshot, datacenter: string, variant: string) => string) {
    this.#make = make;
  }

  look(snapshot: CatalogSnapshot, datacenter: string, variant: string): Pick<Seen, 'body' | 'index'> {
    const seen = this.#seen.get(variant);
    if (seen?.snapshot === snapshot) return seen;
    const body = this.#make(snapshot, datacenter, variant);
    const index = seen?.body === body ? seen.index : snapshot.revision;
    const made = { snapshot, body, index };
    if (!seen && this.#seen.size >= MAX_VARIANTS) this.#seen.clear();
    this.#seen.set(variant, made);
    return made;
  }
}
