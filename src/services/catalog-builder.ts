import type { CatalogChange, CatalogRecords } from '../cluster/index.ts';
import { compareText } from '../lib/index.ts';
import type { CatalogCheck, CatalogInstance, CatalogNode, CatalogSnapshot } from './catalog.ts';
import { nodesOf } from './catalog-nodes.ts';

/** How many services that are gone are remembered one by one. */
const MAX_GONE = 10_000;

/** The checks of one node that have records of their own, by the id of their instance; empty: those of the node. */
type ChecksOfNode = ReadonlyMap<string, readonly CatalogCheck[]>;

interface NodeState {
  /** The revision of the latest change to the node, its instances or checks. */
  readonly revision: number;
  readonly checks: ChecksOfNode;
}

const NO_CHECKS: ChecksOfNode = new Map();

const NO_RECORDS: CatalogRecords = {
  revision: 1,
  machines: new Map(),
  externals: new Map(),
  instances: new Map(),
  checks: new Map(),
};

interface MutableService {
  readonly instances: Map<string, CatalogInstance>;
  revision: number;
}

/**
 * Turns changes of records into snapshots. Parts that a change does not touch stay the same objects: the list of a service
 * is built again only when one of its instances changed, or a node that has some.
 */
export class CatalogBuilder {
  /** The view's live maps: they hold the change that is being applied already. */
  #records = NO_RECORDS;
  #nodes: ReadonlyMap<string, CatalogNode> = new Map();
  readonly #services = new Map<string, MutableService>();
  #states: ReadonlyMap<string, NodeState> = new Map();
  #lists: ReadonlyMap<string, readonly CatalogInstance[]> = new Map();
  readonly #revisionOfList = new WeakMap<readonly CatalogInstance[], number>();
  /** The revisions in which services disappeared. */
  #gone: ReadonlyMap<string, number> = new Map();
  /** The latest revision in which a service disappeared that is no longer remembered. */
  #forgotten = 1;
  #revision = 1;
  /** The revisions in which nodes have changed since the last snapshot. */
  readonly #touchedNodes = new Map<string, number>();
  /** Services whose list has to be built again. */
  readonly #stale = new Set<string>();
  #snapshot: CatalogSnapshot | undefined;

  /** Sets the first state. Each service counts as changed in its revision, since when it last changed is not known. */
  begin(records: CatalogRecords): void {
    this.#revision = Math.max(1, records.revision);
    this.#records = records;
    this.#renewNodes();
    for (const nested of records.instances.values()) for (const instance of nested.values()) this.#put(instance);
    this.#snapshot = undefined;
  }

  apply(revision: number, changes: readonly CatalogChange[]): void {
    this.#revision = Math.max(this.#revision, revision);
    for (const change of changes) {
      if (change.kind === 'instance') {
        if (change.before) this.#remove(change.before);
        if (change.after) this.#put(change.after);
      } else if (change.kind === 'check') {
        this.#touchedNodes.set(change.node, this.#revision);
        for (const { service } of [change.before, change.after].filter((check) => check !== undefined))
          this.#touchOn(change.node, service);
      }
    }
    if (changes.some(({ kind }) => kind === 'machine' || kind === 'external')) this.#renewNodes();
    this.#snapshot = undefined;
  }

  /** Returns the snapshot, built when it is asked for, so that many changes between two calls cost one. */
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
    this.#touchedNodes.set(instance.machine, this.#revision);
    this.#touch(instance.name, service);
  }

  #remove(instance: CatalogInstance): void {
    const service = this.#services.get(instance.name);
    if (!service) return;
    service.instances.delete(keyOf(instance));
    this.#touchedNodes.set(instance.machine, this.#revision);
    this.#touch(instance.name, service);
  }

  #touch(name: string, service: MutableService): void {
    service.revision = this.#revision;
    this.#stale.add(name);
  }

  /** Marks the service of one instance of a node as changed, or (empty id) those of all its instances. */
  #touchOn(node: string, id: string): void {
    const there = this.#records.instances.get(node);
    const instances = id === '' ? [...(there?.values() ?? [])] : [there?.get(id)];
    for (const instance of instances) {
      const service = instance && this.#services.get(instance.name);
      if (service) this.#touch(instance.name, service);
    }
  }

  #renewNodes(): void {
    const nodes = nodesOf(this.#records);
    for (const [id, node] of nodes) {
      const before = this.#nodes.get(id);
      if (!before || !looksAlike(before, node)) this.#touchOn(id, '');
      if (before && sameRecord(before, node)) nodes.set(id, before);
      else this.#touchedNodes.set(id, this.#revision);
    }
    for (const id of this.#nodes.keys()) {
      if (nodes.has(id)) continue;
      this.#touchOn(id, '');
      this.#touchedNodes.set(id, this.#revision);
    }
    this.#nodes = nodes;
  }

  #build(): CatalogSnapshot {
    if (this.#touchedNodes.size > 0) this.#renewStates();
    if (this.#stale.size > 0) this.#renewLists();
    const [revision, states] = [this.#revision, this.#states];
    const [lists, revisions, gone, forgotten] = [this.#lists, this.#revisionOfList, this.#gone, this.#forgotten];
    return {
      revision,
      nodes: this.#nodes,
      services: lists,
      nodeChecksOf: (node) => states.get(node)?.checks.get('') ?? [],
      revisionOfNode: (node) => states.get(node)?.revision ?? revision,
      revisionOf(service) {
        const list = lists.get(service);
        return (list ? revisions.get(list) : gone.get(service)) ?? forgotten;
      },
    };
  }

  #renewStates(): void {
    const states = new Map(this.#states);
    for (const [id, revision] of this.#touchedNodes) {
      if (this.#nodes.has(id)) states.set(id, { revision, checks: byInstance(this.#records.checks.get(id)) });
      else states.delete(id);
    }
    this.#touchedNodes.clear();
    this.#states = states;
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

  /** Returns the instances whose node is known, sorted: an instance is never shown without its node. */
  #sorted({ instances }: MutableService): readonly CatalogInstance[] {
    const nameOf = ({ machine }: CatalogInstance) => this.#nodes.get(machine)!.name;
    return [...instances.values()]
      .filter(({ machine }) => this.#nodes.has(machine))
      .sort((a, b) => compareText(nameOf(a), nameOf(b)) || byId(a, b))
      .map((instance) => this.#withChecks(instance));
  }

  /** Returns the instance with the checks that have records of their own; the same object when there are none. */
  #withChecks(instance: CatalogInstance): CatalogInstance {
    const { checks: ofNode } = this.#states.get(instance.machine)!;
    const [own, nodeChecks] = [ofNode.get(instance.id), ofNode.get('')];
    if (!own && !nodeChecks) return instance;
    const checks = [...instance.checks, ...(own ?? [])];
    return nodeChecks ? { ...instance, checks, nodeChecks } : { ...instance, checks };
  }
}

function byInstance(checks: ReadonlyMap<string, CatalogCheck> | undefined): ChecksOfNode {
  if (!checks) return NO_CHECKS;
  return Map.groupBy([...checks.values()].sort(byId), ({ service }) => service);
}

function keyOf({ machine, id }: CatalogInstance): string {
  return `${machine}/${id}`;
}

/** Returns true when no field has changed that a response about a service shows of its nodes. */
function looksAlike(a: CatalogNode, b: CatalogNode): boolean {
  const [ours, theirs] = [Object.entries(a.meta), Object.keys(b.meta)];
  return (
    a.name === b.name &&
    a.uuid === b.uuid &&
    a.address === b.address &&
    ours.length === theirs.length &&
    ours.every(([key, value]) => b.meta[key] === value)
  );
}

function sameRecord(a: CatalogNode, b: CatalogNode): boolean {
  return a.modifyRevision === b.modifyRevision && a.createRevision === b.createRevision && looksAlike(a, b);
}

function byId(a: { readonly id: string }, b: { readonly id: string }): number {
  return compareText(a.id, b.id);
}
