import { type Clock, type Log, messageOf } from '../../lib/index.ts';
import type { SupervisorDirectory } from './state-directory.ts';
import type { UnitMemory } from './units/index.ts';

export interface MemorySaverOptions {
  readonly directory: SupervisorDirectory;
  readonly clock: Clock;
  readonly log: Log;
  /** False for a unit that was forgotten: its file must not come back. */
  readonly isHeld: (memory: UnitMemory) => boolean;
}

/** The wait after a failed write, as on a full disk. */
const SAVE_AGAIN_MS = 1000;

/**
 * Writes the memory of units to disk, once for all changes in a turn of the event loop, then tells the listeners: nobody
 * hears of a change that a kill of this process could undo.
 */
export class MemorySaver {
  readonly #options: MemorySaverOptions;
  readonly #unsaved = new Set<UnitMemory>();
  readonly #listeners = new Set<(changed: ReadonlySet<string>) => void>();
  readonly #waiters = new Set<() => void>();
  #changedNames = new Set<string>();
  #isFlushDue = false;
  #savesAgain = false;

  constructor(options: MemorySaverOptions) {
    this.#options = options;
  }

  /** Writes the memory at the end of this turn. */
  save(memory: UnitMemory): void {
    this.#unsaved.add(memory);
    this.#flushSoon();
  }

  /** Writes the memory before it returns. */
  saveNow(memory: UnitMemory): void {
    try {
      this.#options.directory.writeMemory(memory);
      this.#unsaved.delete(memory);
    } catch (error) {
      this.#unsaved.add(memory);
      this.#cannotSave(error);
    }
  }

  /** Tells of a unit that came, went or changed, once what has changed is written. */
  publish(name: string): void {
    this.#changedNames.add(name);
    this.#flushSoon();
  }

  onChange(listener: (changed: ReadonlySet<string>) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  nextChange(): Promise<void> {
    return new Promise((resolve) => this.#waiters.add(resolve));
  }

  #flushSoon(): void {
    if (this.#isFlushDue) return;
    this.#isFlushDue = true;
    setImmediate(() => {
      this.#isFlushDue = false;
      this.flush();
    });
  }

  flush(): void {
    for (const memory of [...this.#unsaved]) {
      if (this.#options.isHeld(memory)) this.saveNow(memory);
      else this.#unsaved.delete(memory);
    }
    const names = this.#changedNames;
    if (names.size === 0) return;
    this.#changedNames = new Set();
    for (const resolve of this.#waiters) resolve();
    this.#waiters.clear();
    for (const listener of this.#listeners) listener(names);
  }

  /** Units go on without their state on disk, and it is written as soon as there is room. */
  #cannotSave(error: unknown): void {
    if (this.#savesAgain) return;
    this.#savesAgain = true;
    this.#options.log.error('The state of units cannot be written', { reason: messageOf(error) });
    this.#options.clock.after(SAVE_AGAIN_MS, () => {
      this.#savesAgain = false;
      this.#flushSoon();
    });
  }
}
