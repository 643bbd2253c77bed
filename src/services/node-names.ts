import { trimEnd } from '../lib/index.ts';

/** The part of a machine's record by which it is named. */
export interface Nameable {
  readonly id: string;
  /** Its host name. */
  readonly name?: string;
  readonly createRevision: number;
}

/**
 * Returns names for machines, unique in the cluster and fit for DNS: the first label of the host name. Of several machines
 * with the same label the first to join has it, and the others get the beginning of their id appended.
 */
export function nodeNames(machines: Iterable<Nameable>): ReadonlyMap<string, string> {
  const names = new Map<string, string>();
  const taken = new Set<string>();
  const inOrder = [...machines].sort((a, b) => a.createRevision - b.createRevision || (a.id < b.id ? -1 : 1));
  for (const { id, name } of inOrder) {
    const label = dnsLabel(name ?? '') || `m-${id.slice(0, 8)}`;
    const free = [label, `${label}-${id.slice(0, 8)}`].find((candidate) => !taken.has(candidate)) ?? `${label}-${id}`;
    taken.add(free);
    names.set(id, free);
  }
  return names;
}

function dnsLabel(hostName: string): string {
  const label = hostName
    .split('.')[0]!
    .toLowerCase()
    .replace(/[^a-z0-9-]+/g, '-');
  return trimEnd(label.replace(/^-+/, ''), '-').slice(0, 50);
}
