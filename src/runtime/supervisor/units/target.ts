import type { UnitSpec } from '../spec/index.ts';
import { type ActiveState, activeStateOf, type UnitState } from './states.ts';
import type { StartAnswer, StopAnswer, SupervisedUnit } from './unit.ts';
import type { UnitHost } from './unit-host.ts';
import type { UnitMemory } from './unit-memory.ts';

/** A point others are ordered around: it has no processes and is up or down at once. */
export class Target implements SupervisedUnit {
  readonly spec: UnitSpec;
  readonly memory: UnitMemory;
  readonly #host: UnitHost;

  constructor(host: UnitHost, spec: UnitSpec, memory: UnitMemory) {
    this.#host = host;
    this.spec = spec;
    this.memory = memory;
  }

  get active(): ActiveState {
    return activeStateOf(this.memory.state);
  }

  start(): StartAnswer {
    if (this.memory.state === 'active') return 'already';
    this.#setState('active');
    return 'started';
  }

  stop(): StopAnswer {
    if (this.memory.state === 'dead') return 'already';
    this.#setState('dead');
    return 'stopping';
  }

  reload(): boolean {
    return false;
  }

  notify(): void {}
  resume(): void {}
  dispose(): void {}

  #setState(state: UnitState): void {
    const before = this.active;
    const now = this.#host.clock.now();
    this.memory.state = state;
    this.memory.stateSince = now;
    if (state === 'active') this.memory.activeSince = now;
    else this.memory.activeUntil = now;
    this.#host.save(this.memory);
    this.#host.changed(this.memory.name, before);
  }
}
