import { prefixRange, type Range } from '../store/index.ts';

/** The end of a note's key. */
export const NOTE = '/cluster/note';

/**
 * The key layout; no other file builds a key (key-table.ts says what each holds). All records of one reader lie in
 * one contiguous range, so that one watch gives it whole revisions and no view is ever torn (docs/adr/0001):
 * the leader watches `cluster/`, a candidate `cluster/leader`..`cluster/machine/`, an agent its own placements, the API
 * `cluster/` up to `text/`, every machine's catalog `catalog/` up to the machines and their metadata, a router's machine
 * the certificates.
 */
export class Keys {
  readonly #root: string;

  constructor(prefix: string) {
    this.#root = `/${prefix.split('/').filter(Boolean).join('/')}/`;
  }

  get leader(): string {
    return `${this.#root}cluster/leader`;
  }
  /**
   * The note, which holds the time of a revision that only deletes, and the machine that was lost in it. Each one overwrites
   * the last; the store's revisions keep them all.
   */
  get note(): string {
    return `${this.#root.slice(0, -1)}${NOTE}`;
  }
  get secret(): string {
    return `${this.#root}vault/secret`;
  }
  certificate(name: string): string {
    return `${this.#root}vault/certificate/${name}`;
  }
  machine(id: string): string {
    return `${this.#root}cluster/machine/${id}`;
  }
  metadata(id: string, key: string): string {
    return `${this.#root}cluster/metadata/${id}/${key}`;
  }
  placement(machine: string, unit: string): string {
    return `${this.#root}cluster/placement/${machine}/${unit}`;
  }
  unit(name: string): string {
    return `${this.#root}cluster/unit/${name}`;
  }
  /** A check that belongs to no instance, of a machine or an external node. */
  check(node: string, id: string): string {
    return `${this.#root}catalog/check/${node}/${id}`;
  }
  instance(machine: string, id: string): string {
    return `${this.#root}catalog/instance/${machine}/${id}`;
  }
  external(id: string): string {
    return `${this.#root}catalog/node/${id}`;
  }
  status(machine: string, unit: string): string {
    return `${this.#root}status/${machine}/${unit}`;
  }
  text(name: string): string {
    return `${this.#root}text/${name}`;
  }

  get engineRange(): Range {
    return prefixRange(`${this.#root}cluster/`);
  }
  get candidateRange(): Range {
    return { from: this.leader, to: prefixRange(`${this.#root}cluster/machine/`).to };
  }
  get fullRange(): Range {
    return { from: `${this.#root}cluster/`, to: `${this.#root}text/` };
  }
  get catalogRange(): Range {
    return { from: `${this.#root}catalog/`, to: prefixRange(`${this.#root}cluster/metadata/`).to };
  }
  get certificateRange(): Range {
    return prefixRange(this.certificate(''));
  }
  agentRange(machine: string): Range {
    return prefixRange(`${this.#root}cluster/placement/${machine}/`);
  }

  /** Returns the name of a certificate from its key. */
  certificateOf(key: string): string {
    return key.slice(this.certificate('').length);
  }

  /** Returns what a key is about; undefined for a key that no view of the cluster holds. */
  parse(key: string): ParsedKey | undefined {
    if (!key.startsWith(this.#root)) return undefined;
    const [area, kind, ...rest] = key.slice(this.#root.length).split('/');
    if (area === 'status') return pair('status', [kind ?? '', ...rest]);
    if (area === 'catalog' && (kind === 'instance' || kind === 'check'))
      return { kind, node: rest[0] ?? '', id: rest.slice(1).join('/') };
    if (area === 'catalog' && kind === 'node') return { kind: 'external', id: rest.join('/') };
    if (area !== 'cluster') return undefined;
    if (kind === 'leader') return { kind };
    if (kind === 'machine') return { kind, id: rest.join('/') };
    if (kind === 'unit') return { kind, name: rest.join('/') };
    if (kind === 'placement') return pair(kind, rest);
    if (kind === 'metadata') return { kind, id: rest[0] ?? '', key: rest.slice(1).join('/') };
    return undefined;
  }
}

export type ParsedKey =
  | { readonly kind: 'leader' }
  | { readonly kind: 'machine'; readonly id: string }
  | { readonly kind: 'unit'; readonly name: string }
  | { readonly kind: 'metadata'; readonly id: string; readonly key: string }
  | { readonly kind: 'instance' | 'check'; readonly node: string; readonly id: string }
  | { readonly kind: 'external'; readonly id: string }
  | { readonly kind: 'placement' | 'status'; readonly machine: string; readonly unit: string };

function pair(kind: 'placement' | 'status', parts: readonly string[]): ParsedKey {
  return { kind, machine: parts[0] ?? '', unit: parts.slice(1).join('/') };
}
