import { matchesGlob } from '../model/index.ts';
import type { Glob, UnitEntry } from './entries.ts';

/** The empty set, shared by the many names that no glob matches. */
export const NO_GLOBS: Set<Glob> = new Set();

/** How many names are compared with a glob in one step, which takes well below a millisecond. */
const NAMES_IN_STEP = 256;

/** Called when a name begins (+1) or ceases (-1) to be matched by a glob that is in use. */
export type OnMatch = (unit: UnitEntry, glob: Glob, change: 1 | -1) => void;

/**
 * Knows which names match which globs while both come and go. A glob's literal prefix leads to its names by binary search,
 * and a name's prefixes lead to its globs, so that one more unit is not compared with all the others.
 */
export class GlobIndex {
  readonly #onMatch: OnMatch;
  readonly #units = new Map<string, UnitEntry>();
  /** Sorted; may hold names that are gone, until they are half of it. */
  #names: string[] = [];
  readonly #globs = new Map<string, Glob>();
  readonly #byPrefix = new Map<string, Set<Glob>>();
  /** How many globs have a prefix of this length. */
  readonly #lengths = new Map<number, number>();
  /** Globs that are still being compared with the names that were there before them. */
  readonly #unfinished = new Map<Glob, Iterator<void>>();
  /** Globs that were prepared and that no unit holds yet. */
  readonly #unheld = new Set<Glob>();
  /** Globs that no unit holds any more; only the links to the names that they match are left to remove. */
  readonly #released = new Set<Glob>();
  readonly #namesInStep: number;
  #nextId = 1;

  constructor(onMatch: OnMatch, namesInStep = NAMES_IN_STEP) {
    this.#onMatch = onMatch;
    this.#namesInStep = namesInStep;
  }

  /** Adds names that are not known yet; many at once cost one sort. */
  addNames(units: readonly UnitEntry[]): void {
    const fresh = units.filter((unit) => !this.#units.has(unit.name));
    for (const unit of fresh) this.#units.set(unit.name, unit);
    if (fresh.length > 64) {
      this.#names = [...this.#units.keys()].sort();
    } else {
      for (const { name } of fresh) {
        const at = lowerBound(this.#names, name);
        if (this.#names[at] !== name) this.#names.splice(at, 0, name);
      }
    }
    for (const unit of fresh) for (const glob of this.#globsFor(unit.name)) this.#link(unit, glob);
  }

  removeName(unit: UnitEntry): void {
    if (!this.#units.delete(unit.name)) return;
    for (const glob of unit.matches) this.#unlink(unit, glob);
    unit.matches = NO_GLOBS;
    if (this.#names.length > 2 * this.#units.size + 64) {
      this.#names = this.#names.filter((name) => this.#units.has(name));
    }
  }

  /** Returns the glob with this text. The caller adds itself to the glob's holders, and releases it in the end. */
  acquire(text: string): Glob {
    const glob = this.#globs.get(text) ?? this.#add(text);
    const steps = this.#unfinished.get(glob);
    while (steps !== undefined && !steps.next().done);
    this.#unheld.delete(glob);
    return glob;
  }

  /**
   * Does the long part of acquiring a glob, in steps between which the index may change. `releaseUnheld` forgets the glob
   * unless it has been acquired by then.
   */
  prepare(text: string): Iterator<void> | undefined {
    if (this.#globs.has(text)) return this.#unfinished.get(this.#globs.get(text)!);
    const glob = this.#add(text);
    this.#unheld.add(glob);
    return this.#unfinished.get(glob);
  }

  releaseUnheld(): void {
    for (const glob of this.#unheld) this.release(glob);
    this.#unheld.clear();
  }

  #add(text: string): Glob {
    const prefix = /^[^*?[\\]*/.exec(text)![0];
    const glob: Glob = {
      id: this.#nextId++,
      text,
      prefix,
      conflictHolders: new Set(),
      replaceHolders: new Set(),
      matching: new Set(),
    };
    this.#globs.set(text, glob);
    const siblings = this.#byPrefix.get(prefix);
    if (siblings) siblings.add(glob);
    else this.#byPrefix.set(prefix, new Set([glob]));
    this.#lengths.set(prefix.length, (this.#lengths.get(prefix.length) ?? 0) + 1);
    this.#unfinished.set(glob, this.#compare(glob));
    return glob;
  }

  /** Compares the glob with the names known now, in steps. Names that come between them are linked by `addNames`. */
  *#compare(glob: Glob): Generator<void> {
    let compared = 0;
    for (const unit of [...this.#unitsWithPrefix(glob.prefix)]) {
      if (++compared % this.#namesInStep === 0) yield;
      // The glob was released between the steps.
      if (this.#globs.get(glob.text) !== glob) return;
      if (this.#units.get(unit.name) !== unit || glob.matching.has(unit)) continue;
      if (matchesGlob(glob.text, unit.name)) this.#link(unit, glob);
    }
    this.#unfinished.delete(glob);
  }

  /** Forgets the glob when no unit holds it any more. */
  release(glob: Glob): void {
    if (glob.conflictHolders.size + glob.replaceHolders.size > 0) return;
    if (!this.#globs.delete(glob.text)) return;
    this.#unfinished.delete(glob);
    const siblings = this.#byPrefix.get(glob.prefix)!;
    siblings.delete(glob);
    if (siblings.size === 0) this.#byPrefix.delete(glob.prefix);
    const left = this.#lengths.get(glob.prefix.length)! - 1;
    if (left === 0) this.#lengths.delete(glob.prefix.length);
    else this.#lengths.set(glob.prefix.length, left);
    if (glob.matching.size > this.#namesInStep) this.#released.add(glob);
    else for (const unit of [...glob.matching]) this.#unlink(unit, glob);
  }

  /**
   * Does the long part of what `release` left, in steps between which the index may change. A glob stays among the released
   * until its last step, for the next caller should this one stop early.
   */
  *forgetReleased(): Generator<void> {
    for (const glob of this.#released) {
      let unlinked = 0;
      for (const unit of [...glob.matching]) {
        if (++unlinked % this.#namesInStep === 0) yield;
        if (glob.matching.has(unit)) this.#unlink(unit, glob);
      }
      this.#released.delete(glob);
    }
  }

  #link(unit: UnitEntry, glob: Glob): void {
    if (unit.matches === NO_GLOBS) unit.matches = new Set();
    unit.matches.add(glob);
    glob.matching.add(unit);
    this.#onMatch(unit, glob, 1);
  }

  #unlink(unit: UnitEntry, glob: Glob): void {
    unit.matches.delete(glob);
    glob.matching.delete(unit);
    this.#onMatch(unit, glob, -1);
  }

  *#globsFor(name: string): Iterable<Glob> {
    for (const length of this.#lengths.keys()) {
      if (length > name.length) continue;
      const globs = this.#byPrefix.get(name.slice(0, length));
      if (globs) for (const glob of globs) if (matchesGlob(glob.text, name)) yield glob;
    }
  }

  *#unitsWithPrefix(prefix: string): Iterable<UnitEntry> {
    for (let at = lowerBound(this.#names, prefix); at < this.#names.length; at++) {
      const name = this.#names[at]!;
      if (!name.startsWith(prefix)) return;
      const unit = this.#units.get(name);
      if (unit) yield unit;
    }
  }
}

/** Returns the first index in a sorted list whose text is not before `wanted`. */
export function lowerBound(sorted: readonly string[], wanted: string): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (sorted[middle]! < wanted) low = middle + 1;
    else high = middle;
  }
  return low;
}
