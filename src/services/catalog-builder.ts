import type { CatalogChange, CatalogRecords, Revised } from '../cluster/index.ts';
import type { Machine } from '../model/index.ts';
import type { CatalogInstance, CatalogNode, CatalogSnapshot } from './catalog.ts';
import { nodeNames } from './node-names.ts';

/** Services that are gone are remembered one by one up to this number. */
const MAX_GONE = 10_000;

interface MutableService {
  readonly instances: Map<string, CatalogInstance>;
  revision: number;
}

/**
 * Turns changes of records into snapshots. What a change does not touch stays the same object: the list of a service is
 * made again only when one of its instances changed, or a machine that has some.
 */
export class CatalogBuilder {
  #machines: ReadonlyMap<string, Revised<Machine>> = new Map();
  #nodes: ReadonlyMap<string, CatalogNode> = new Map();
  readonly #services = new Map<string, MutableService>();
  #lists: ReadonlyMap<string, readonly CatalogInstance[]> = new Map();
  readonly #revisionOfList = new WeakMap<readonly CatalogInstance[], number>();
  /** When services that are no more disappeared. */
  #gone: ReadonlyMap<string, number> = new Map();
  /** When the last of those disappeared that are not remembered any more. */
  #forgotten = 1;
  #revision = 1;
  /** Services whose list is to be made again. */
  readonly #stale = new Set<string>();
  #snapshot: CatalogSnapshot | undefined;

  /** The first state. When each service last changed is not known then, only that it was no later than this. */
  begin(records: CatalogRecords): void {
    this.#revision = Math.max(1, records.revision);
    this.#machines = records.machines;
    this.#renewNodes();
    for (const nested of records.instances.values()) for (const instance of nested.values()) this.#put(instance);
    this.#snapshot = undefined;
  }

  apply(revision: number, changes: readonly CatalogChange[]): void {
    this.#revision = Math.max(this.#revision, revision);
    for (const change of changes) {
      if (change.kind === 'machine') continue;
      if (change.before) this.#remove(change.before);
      if (change.after) this.#put(change.after);
    }
    if (changes.some(({ kind }) => kind === 'machine')) this.#renewNodes();
    this.#snapshot = undefined;
  }

  /** Made when it is asked for: many changes between two looks cost one snapshot. */
  snapshot(): CatalogSnapshot {
    this.#snapshot ??= this.#build();
    return this.#snapshot;
  }

  #put(instance: CatalogInstance): void {
    let service = this.#services.get(instance.name);
    if (!service) {
      service = { instances: new Map(), revision: 1 };
      this.#services.set(instance.name, service);
    }
    service.instances.set(keyOf(instance), instance);
    this.#touch(instance.name, service);
  }

  #remove(instance: CatalogInstance): void {
    const service = this.#services.get(instance.name);
    if (!service) return;
    service.instances.delete(keyOf(instance));
    this.#touch(instance.name, service);
  }

  #touch(name: string, service: MutableService): void {
    service.revision = this.#revision;
    this.#stale.add(name);
  }

  #renewNodes(): void {
    const names = nodeNames(this.#machines.values());
    const nodes = new Map<string, CatalogNode>();
    const changed = new Set<string>();
    for (const [id, { address, metadata, createRevision, modifyRevision }] of this.#machines) {
      const node = { id, name: names.get(id)!, address, meta: metadata, createRevision, modifyRevision };
      const before = this.#nodes.get(id);
      if (!before || !looksAlike(before, node)) changed.add(id);
      nodes.set(id, before && sameRecord(before, node) ? before : node);
    }
    for (const id of this.#nodes.keys()) if (!nodes.has(id)) changed.add(id);
    this.#nodes = nodes;
    if (changed.size === 0) return;
    for (const [name, service] of this.#services)
      if ([...service.instances.values()].some(({ machine }) => changed.has(machine))) this.#touch(name, service);
  }

  #build(): CatalogSnapshot {
    if (this.#stale.size > 0) this.#renewLists();
    const [lists, revisions, gone, forgotten] = [this.#lists, this.#revisionOfList, this.#gone, this.#forgotten];
    return {
      revision: this.#revision,
      nodes: this.#nodes,
      services: lists,
      revisionOf(service) {
        const list = lists.get(service);
        return (list ? revisions.get(list) : gone.get(service)) ?? forgotten;
      },
    };
  }

  #renewLists(): void {
    const lists = new Map(this.#lists);
    const gone = new Map(this.#gone);
    for (const name of this.#stale) {
      const service = this.#services.get(name)!;
      const list = this.#sorted(service);
      if (list.length > 0) {
        lists.set(name, list);
        this.#revisionOfList.set(list, service.revision);
        gone.delete(name);
      } else {
        lists.delete(name);
        gone.set(name, service.revision);
      }
      if (service.instances.size === 0) this.#services.delete(name);
    }
    this.#stale.clear();
    if (gone.size > MAX_GONE) {
      this.#forgotten = this.#revision;
      gone.clear();
    }
    this.#lists = lists;
    this.#gone = gone;
  }

  /** Those whose machine is there: an instance is never shown without one. */
  #sorted({ instances }: MutableService): readonly CatalogInstance[] {
    const nameOf = ({ machine }: CatalogInstance) => this.#nodes.get(machine)!.name;
    return [...instances.values()]
      .filter(({ machine }) => this.#nodes.has(machine))
      .sort((a, b) => byText(nameOf(a), nameOf(b)) || byText(a.id, b.id));
  }
}

function keyOf({ machine, id }: CatalogInstance): string {
  return `${machine}/${id}`;
}

/** True when nothing has changed of what answers about a service show of its machines. */
function looksAlike(a: CatalogNode, b: CatalogNode): boolean {
  const [ours, theirs] = [Object.entries(a.meta), Object.keys(b.meta)];
  return (
    a.name === b.name &&
    a.address === b.address &&
    ours.length === theirs.length &&
    ours.every(([key, value]) => b.meta[key] === value)
  );
}

function sameRecord(a: CatalogNode, b: CatalogNode): boolean {
  return a.modifyRevision === b.modifyRevision && a.createRevision === b.createRevision && looksAlike(a, b);
}

function byText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
