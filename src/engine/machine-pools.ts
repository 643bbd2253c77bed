import type { Needs } from '../model/index.ts';
import { byId, type MachineEntry } from './entries.ts';
import { lackingKey } from './lacking-key.ts';

/** A machine with the load by which a pool has sorted it, which may lag behind the machine's own. */
interface Item {
  readonly machine: MachineEntry;
  load: number;
}

/** Machines of one metadata requirement, least loaded first. */
class Pool {
  readonly metadata: Needs['metadata'];
  readonly items = new Map<MachineEntry, Item>();
  order: Item[] = [];
  /** Index in the log of load changes up to which this pool is current. */
  cursor = 0;

  constructor(metadata: Needs['metadata']) {
    this.metadata = metadata;
  }

  rebuild(machines: Iterable<MachineEntry>): void {
    this.items.clear();
    for (const machine of machines) {
      if (this.#qualifies(machine)) this.items.set(machine, { machine, load: machine.units.size });
    }
    this.order = [...this.items.values()].sort(compareItems);
  }

  add(machine: MachineEntry): void {
    if (this.items.has(machine) || !this.#qualifies(machine)) return;
    const item = { machine, load: machine.units.size };
    this.items.set(machine, item);
    this.order.splice(this.#position(item), 0, item);
  }

  remove(machine: MachineEntry): void {
    const item = this.items.get(machine);
    if (!item) return;
    this.items.delete(machine);
    this.order.splice(this.#position(item), 1);
  }

  reload(machine: MachineEntry): void {
    const item = this.items.get(machine);
    if (!item || item.load === machine.units.size) return;
    this.order.splice(this.#position(item), 1);
    item.load = machine.units.size;
    this.order.splice(this.#position(item), 0, item);
  }

  #qualifies({ machine }: MachineEntry): boolean {
    return machine !== undefined && lackingKey(this.metadata, machine) === undefined;
  }

  #position(item: Item): number {
    let low = 0;
    let high = this.order.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (compareItems(this.order[middle]!, item) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

const MAX_POOLS = 1000;

/**
 * Sorts the machines that have the metadata of each requirement in use: fewest units first, ties by id. A pool follows the
 * shared log of load changes only when it is asked, so that a placement costs the same however many pools there are.
 */
export class MachinePools {
  readonly #machines = new Set<MachineEntry>();
  readonly #pools = new Map<string, Pool>();
  #log: MachineEntry[] = [];

  /** Adds a machine, or sorts it anew since its metadata changed. */
  set(machine: MachineEntry): void {
    this.#machines.add(machine);
    for (const pool of this.#pools.values()) {
      this.#catchUp(pool);
      pool.remove(machine);
      pool.add(machine);
    }
  }

  delete(machine: MachineEntry): void {
    if (!this.#machines.delete(machine)) return;
    for (const pool of this.#pools.values()) pool.remove(machine);
  }

  /** Notes that the number of units on the machine changed. */
  loadChanged(machine: MachineEntry): void {
    if (!this.#machines.has(machine)) return;
    this.#log.push(machine);
    if (this.#log.length <= 4 * this.#machines.size + 1000) return;
    for (const pool of this.#pools.values()) this.#catchUp(pool);
    this.#log = [];
    for (const pool of this.#pools.values()) pool.cursor = 0;
  }

  /** Returns the least loaded machine that has the metadata and passes `test`. */
  find(key: string, metadata: Needs['metadata'], test: (machine: MachineEntry) => boolean): MachineEntry | undefined {
    return this.#pool(key, metadata).order.find((item) => test(item.machine))?.machine;
  }

  #pool(key: string, metadata: Needs['metadata']): Pool {
    let pool = this.#pools.get(key);
    if (!pool) {
      if (this.#pools.size >= MAX_POOLS) this.#pools.clear();
      pool = new Pool(metadata);
      pool.rebuild(this.#machines);
      pool.cursor = this.#log.length;
      this.#pools.set(key, pool);
    }
    this.#catchUp(pool);
    return pool;
  }

  #catchUp(pool: Pool): void {
    if (this.#log.length - pool.cursor > pool.order.length) pool.rebuild(this.#machines);
    else for (; pool.cursor < this.#log.length; pool.cursor++) pool.reload(this.#log[pool.cursor]!);
    pool.cursor = this.#log.length;
  }
}

/** Returns the name of a requirement's pool: equal for requirements that mean the same. */
export function poolKey(metadata: Needs['metadata']): string {
  const keys = Object.keys(metadata);
  if (keys.length === 0) return '';
  return JSON.stringify(keys.sort().map((key) => [key, [...metadata[key]!].sort()]));
}

function compareItems(a: Item, b: Item): number {
  return a.load - b.load || byId(a.machine, b.machine);
}
