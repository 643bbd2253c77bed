import type { Change, Moment, Snapshot } from '../cluster/index.ts';
import type { Machine, Placement, Unit } from '../model/index.ts';

interface Version {
  readonly at: number;
  readonly before: unknown;
  readonly after: unknown;
}

/**
 * What stood in the cluster at each of some moments: what the changes themselves tell, and for what none of them changed
 * the snapshot, which must be of the last moment or later.
 */
export class Past {
  readonly #snapshot: Pick<Snapshot, 'units' | 'machines' | 'placements'>;
  readonly #gone: ReadonlyMap<string, Machine>;
  readonly #versions = new Map<string, Version[]>();

  /** `gone` are machines that were there before these moments. */
  constructor(
    moments: readonly Moment[],
    snapshot: Pick<Snapshot, 'units' | 'machines' | 'placements'>,
    gone: ReadonlyMap<string, Machine> = new Map(),
  ) {
    this.#snapshot = snapshot;
    this.#gone = gone;
    moments.forEach(({ changes }, at) => {
      for (const change of changes) if (change.kind !== 'status' && change.kind !== 'leader') this.#add(at, change);
    });
  }

  /** As it was once the moment of that index was over; so are the others. */
  unit(name: string, at: number): Unit | undefined {
    return this.#version(`unit ${name}`, at, () => this.#snapshot.units.get(name));
  }

  placement(unit: string, machine: string, at: number): Placement | undefined {
    const now = () => this.#snapshot.placements.get(unit)?.get(machine);
    return this.#version(`placement ${unit} ${machine}`, at, now);
  }

  machine(id: string, at: number): Machine | undefined {
    return this.#version(`machine ${id}`, at, () => this.#snapshot.machines.get(id));
  }

  /** The machine as it was last known then, though it be gone; else as it is known at all. */
  lastKnown(id: string, at: number): Machine | undefined {
    const versions = this.#versions.get(`machine ${id}`) ?? [];
    const last = versions.findLast((version) => version.at <= at);
    const known = last === undefined ? this.machine(id, at) : (last.after ?? last.before);
    return (known ?? versions[0]?.after ?? this.#snapshot.machines.get(id) ?? this.#gone.get(id)) as
      | Machine
      | undefined;
  }

  #version<T>(key: string, at: number, now: () => T | undefined): T | undefined {
    const versions = this.#versions.get(key);
    if (versions === undefined) return now();
    const last = versions.findLast((version) => version.at <= at);
    return (last === undefined ? versions[0]!.before : last.after) as T | undefined;
  }

  #add(at: number, change: Told): void {
    const { before, after } = change;
    const key = keyOf(change);
    const versions = this.#versions.get(key);
    if (versions === undefined) this.#versions.set(key, [{ at, before, after }]);
    else versions.push({ at, before, after });
  }
}

type Told = Exclude<Change, { kind: 'status' | 'leader' }>;

function keyOf(change: Told): string {
  switch (change.kind) {
    case 'unit':
      return `unit ${change.name}`;
    case 'machine':
      return `machine ${change.id}`;
    case 'placement':
      return `placement ${change.unit} ${change.machine}`;
  }
}
