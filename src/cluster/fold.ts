import type { Machine, Placement, Unit, UnitStatus } from '../model/index.ts';
import { difference, type FoldEntry, mergeMetadata, replace, replaceNested } from './fold-steps.ts';
import type { Keys } from './keys.ts';
import { decodeLeader, decodeMachine, decodePlacement, decodeStatus, decodeUnit } from './record-codec.ts';
import type { Change, Leader, Snapshot } from './snapshot.ts';

type MutableByUnit<T> = Map<string, Map<string, T>>;

/**
 * Records folded into maps, one key at a time. A value that cannot be read counts as absent and is told to `onUnreadable`.
 */
export class Fold implements Snapshot {
  readonly #keys: Keys;
  readonly #onUnreadable: (key: string) => void;
  readonly #announced = new Map<string, Machine>();
  readonly #overrides = new Map<string, Map<string, string>>();
  revision = 0;
  leader?: Leader;
  readonly units = new Map<string, Unit>();
  readonly machines = new Map<string, Machine>();
  readonly placements: MutableByUnit<Placement> = new Map();
  readonly statuses: MutableByUnit<UnitStatus> = new Map();

  constructor(keys: Keys, onUnreadable: (key: string) => void) {
    this.#keys = keys;
    this.#onUnreadable = onUnreadable;
  }

  /** Sets (or, with `entry` undefined, removes) one key; returns the change it makes, if any. */
  set(key: string, entry: FoldEntry | undefined): Change | undefined {
    const value = entry?.value;
    const parsed = this.#keys.parse(key);
    switch (parsed?.kind) {
      case 'unit': {
        const after = this.#decoded(key, value, (text) => decodeUnit(parsed.name, text));
        return difference({ kind: 'unit', name: parsed.name }, replace(this.units, parsed.name, after), after);
      }
      case 'placement': {
        const after = this.#decoded(key, value, (text) => decodePlacement(parsed.machine, parsed.unit, text));
        const before = replaceNested(this.placements, parsed.unit, parsed.machine, after);
        return difference({ kind: 'placement', unit: parsed.unit, machine: parsed.machine }, before, after);
      }
      case 'status': {
        const after = this.#decoded(key, value, (text) => decodeStatus(parsed.machine, parsed.unit, text));
        const before = replaceNested(this.statuses, parsed.unit, parsed.machine, after);
        return difference({ kind: 'status', unit: parsed.unit, machine: parsed.machine }, before, after);
      }
      case 'machine':
        replace(
          this.#announced,
          parsed.id,
          this.#decoded(key, value, (text) => decodeMachine(parsed.id, text)),
        );
        return this.#mergeMachine(parsed.id);
      case 'metadata': {
        const overrides = this.#overrides.get(parsed.id) ?? new Map<string, string>();
        this.#overrides.set(parsed.id, overrides);
        replace(overrides, parsed.key, value);
        return this.#mergeMachine(parsed.id);
      }
      case 'leader':
        return this.#setLeader(this.#decoded(key, value, decodeLeader));
      default:
        return undefined;
    }
  }

  #decoded<T>(key: string, value: string | undefined, decode: (value: string) => T | undefined): T | undefined {
    if (value === undefined) return undefined;
    const record = decode(value);
    if (record === undefined) this.#onUnreadable(key);
    return record;
  }

  #setLeader(after: Leader | undefined): Change | undefined {
    const before = this.leader;
    if (after) this.leader = after;
    else delete this.leader;
    return difference({ kind: 'leader' }, before, after);
  }

  #mergeMachine(id: string): Change | undefined {
    const after = mergeMetadata(this.#announced.get(id), this.#overrides.get(id));
    return difference({ kind: 'machine', id }, replace(this.machines, id, after), after);
  }
}
