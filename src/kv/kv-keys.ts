import { prefixRange, type Range } from '../store/index.ts';

/** The store's keys of pairs, locks and sessions; key-table.ts lists them. */
export class KvKeys {
  readonly #root: string;

  constructor(prefix: string) {
    this.#root = `/${prefix.split('/').filter(Boolean).join('/')}/user/`;
  }

  /** Exists for as long as the lock delay forbids everybody to lock the key. */
  delay(key: string): string {
    return `${this.#root}delay/${key}`;
  }
  pair(key: string): string {
    return `${this.#root}key/${key}`;
  }
  lock(session: string, key: string): string {
    return `${this.#root}lock/${session}/${key}`;
  }
  session(id: string): string {
    return `${this.#root}session/${id}`;
  }

  /** Pairs whose key begins with `prefix`. */
  pairs(prefix: string): Range {
    return prefixRange(this.pair(prefix));
  }
  locks(session: string): Range {
    return prefixRange(this.lock(session, ''));
  }
  get sessions(): Range {
    return prefixRange(this.session(''));
  }
  /** All keys whose changes wake blocking queries. */
  get watched(): Range {
    return { from: this.pair(''), to: this.sessions.to };
  }
  get locksAndSessions(): Range {
    return { from: `${this.#root}lock/`, to: this.sessions.to };
  }

  /** Returns the key of the pair that stands at `place` in the store. */
  keyOf(place: string): string {
    return place.slice(this.pair('').length);
  }
  sessionOf(place: string): string | undefined {
    const start = this.session('');
    return place.startsWith(start) ? place.slice(start.length) : undefined;
  }
  lockOf(place: string): { readonly session: string; readonly key: string } | undefined {
    const start = `${this.#root}lock/`;
    if (!place.startsWith(start)) return undefined;
    const slash = place.indexOf('/', start.length);
    return { session: place.slice(start.length, slash), key: place.slice(slash + 1) };
  }
}
