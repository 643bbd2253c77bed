import type { ServiceSpec, UnitSpec } from '../spec/index.ts';
import type { UnitHost } from './unit-host.ts';
import {
  type ActiveState,
  activeStateOf,
  isActiveOrActivating,
  type ServiceResult,
  type UnitMemory,
  type UnitState,
} from './unit-memory.ts';

/** State, time-out and voice of a service: what its transitions are written in. */
export abstract class ServiceCore {
  readonly spec: UnitSpec;
  readonly memory: UnitMemory;
  protected readonly service: ServiceSpec;
  protected readonly host: UnitHost;
  #cancelTimer: (() => void) | undefined;
  #cancelPoll: (() => void) | undefined;
  #polls = 0;

  constructor(host: UnitHost, spec: UnitSpec & { readonly service: ServiceSpec }, memory: UnitMemory) {
    this.host = host;
    this.spec = spec;
    this.service = spec.service;
    this.memory = memory;
  }

  get active(): ActiveState {
    return activeStateOf(this.memory.state);
  }

  /** What happens when the state has lasted too long. */
  protected abstract timedOut(): void;
  /** Looks after what nobody tells us of. */
  protected abstract poll(polls: number): void;
  /** Milliseconds until the next look; undefined while everything is told. `polls` counts looks in this state. */
  protected abstract pollDelayMs(polls: number): number | undefined;

  protected note(text: string): void {
    this.host.say(this.spec.name, `${this.spec.name}: ${text}`);
  }

  /** The first thing that went wrong is the result. */
  protected blame(result: ServiceResult): void {
    if (this.memory.result === 'success') this.memory.result = result;
  }

  /** Goes over to another state, which ends by itself after `timeoutMs` if given. */
  protected setState(state: UnitState, timeoutMs?: number): void {
    const before = this.active;
    const { memory } = this;
    memory.state = state;
    this.armTimer(timeoutMs ?? Number.POSITIVE_INFINITY);
    const now = this.host.clock.now();
    if (before !== this.active) {
      memory.stateSince = now;
      const wasUp = before === 'active' || before === 'reloading';
      const isUp = this.active === 'active' || this.active === 'reloading';
      if (isUp && !wasUp) memory.activeSince = now;
      if (wasUp && !isUp) memory.activeUntil = now;
    }
    this.#polls = 0;
    this.watchUntold();
    this.host.save(memory);
    this.host.changed(memory.name, before);
  }

  /** (Re)starts the present state's time; Infinity is no limit. */
  protected armTimer(ms: number): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    this.memory.deadline = Number.isFinite(ms) ? this.host.clock.now() + ms : null;
    if (Number.isFinite(ms)) this.#waitUntil(this.host.clock.monotonic() + ms);
  }

  #waitUntil(due: number): void {
    const { clock } = this.host;
    this.#cancelTimer = clock.after(due - clock.monotonic(), () => {
      // A clock waits a day at most.
      if (clock.monotonic() < due - 1) this.#waitUntil(due);
      else this.timedOut();
    });
  }

  /** Arranges the next look if one is needed. */
  protected watchUntold(): void {
    this.#cancelPoll?.();
    this.#cancelPoll = undefined;
    const delayMs = this.pollDelayMs(this.#polls);
    if (delayMs === undefined) return;
    this.#cancelPoll = this.host.clock.after(delayMs, () => {
      this.#polls++;
      this.poll(this.#polls);
      this.watchUntold();
    });
  }

  /** Ends all waiting; for a unit that is forgotten. */
  protected stopWaiting(): void {
    this.#cancelTimer?.();
    this.#cancelPoll?.();
  }

  /** Time left of a state an earlier supervisor entered. */
  protected resumeTimer(): void {
    const { deadline } = this.memory;
    if (deadline !== null) this.armTimer(Math.max(0, deadline - this.host.clock.now()));
  }

  protected get isUp(): boolean {
    return isActiveOrActivating(this.active);
  }
}
