import assert from 'node:assert/strict';
import type { ExecPhase, ServiceSpec } from '../spec/index.ts';
import { type ServiceEvent, type ServiceFacts, type ServiceStep, STATE_OF_PHASE } from './service-step.ts';
import { activeStateOf, isInactiveOrFailed, type ServiceState } from './states.ts';
import { FACTS } from './test-service.ts';
import { timeLimitMs } from './timing.ts';
import { next } from './transition.ts';

interface ModelProcess {
  readonly phase: ExecPhase;
  readonly index: number;
  /** It heeds no signal, as when the disk it waits for hangs. */
  readonly isStuck: boolean;
  isKilled: boolean;
}

/**
 * A service whose processes are made up. Every step checks what may never happen: two main processes, two commands at once
 * (except one that SIGKILL did not end, or that KillMode= or SendSIGKILL= spare), a command of the start after a stop.
 */
export class ServiceModel {
  state: ServiceState = 'dead';
  readonly #spec: ServiceSpec;
  /** A number below `below`. */
  readonly #draw: (below: number) => number;
  readonly #trail: string[] = [];
  #result: ServiceFacts['result'] = 'success';
  #isStopRequested = false;
  #main: ModelProcess | undefined;
  #mainKnown = false;
  #control: ModelProcess | undefined;
  /** All other processes of the unit. */
  #others: ModelProcess[] = [];

  constructor(spec: ServiceSpec, draw: (below: number) => number) {
    this.#spec = spec;
    this.#draw = draw;
  }

  get isOver(): boolean {
    return isInactiveOrFailed(activeStateOf(this.state));
  }

  get trail(): string {
    return this.#trail.join('\n');
  }

  /** Asks for a stop, as a job does. */
  stop(): void {
    if (this.isOver) return;
    this.#isStopRequested = true;
    this.#feed({ type: 'stop' });
  }

  /** Lets one thing happen, drawn from those that can. */
  step(): void {
    const events = this.#possible();
    events[this.#draw(events.length)]!();
  }

  timeOut(): void {
    if (Number.isFinite(timeLimitMs(this.state, this.#spec))) this.#feed({ type: 'timed-out' });
  }

  #possible(): readonly (() => void)[] {
    if (this.isOver) return [() => this.#feed({ type: 'start', tooOften: this.#draw(8) === 0 })];
    const [main, control] = [this.#main, this.#control];
    return [
      () => this.#feed({ type: 'look' }),
      () => this.#feed({ type: 'ready' }),
      () => this.#feed({ type: 'stopping' }),
      () => this.#feed({ type: 'reload' }),
      () => this.timeOut(),
      () => this.#fork(),
      () => this.#others.splice(0, this.#draw(this.#others.length + 1)),
      ...(main === undefined || main.isStuck ? [] : [() => this.#endMain(main)]),
      ...(control === undefined || control.isStuck ? [] : [() => this.#endControl(control)]),
    ];
  }

  #fork(): void {
    if (this.#living().length > 0) this.#others.push(this.#process('ExecStart', 0));
  }

  #endMain({ index }: ModelProcess): void {
    this.#main = undefined;
    this.#feed({ type: 'main-ended', index, result: this.#draw(2) === 0 ? 'success' : 'exit-code' });
  }

  #endControl({ phase, index }: ModelProcess): void {
    this.#control = undefined;
    this.#feed({ type: 'control-ended', phase, index, result: this.#draw(2) === 0 ? 'success' : 'signal' });
  }

  #living(): ModelProcess[] {
    return [this.#main, this.#control, ...this.#others].filter((one) => one !== undefined);
  }

  #process(phase: ExecPhase, index: number): ModelProcess {
    return { phase, index, isStuck: this.#draw(6) === 0, isKilled: false };
  }

  #feed(event: ServiceEvent, state: ServiceState = this.state): void {
    this.#trail.push(`${state} × ${event.type}`);
    this.#carryOut(next(state, event, this.#facts()));
  }

  #facts(): ServiceFacts {
    const candidate = () => (this.#others.length > 0 && this.#draw(2) === 0 ? 1 : undefined);
    return {
      ...FACTS,
      spec: this.#spec,
      result: this.#result,
      stopRequested: this.#isStopRequested,
      main: this.#main !== undefined,
      mainKnown: this.#mainKnown,
      control: this.#control !== undefined,
      isAnyLeft: () => this.#living().length > 0,
      hasExecuted: () => this.#draw(2) === 0,
      pidInFile: candidate,
      guessedPid: candidate,
    };
  }

  #carryOut(step: ServiceStep): void {
    if (step.result !== undefined) this.#result = step.result;
    const last = step.actions.at(-1);
    for (const action of step.actions) {
      if (action.do === 'begin') this.#begin();
      if (action.do === 'adopt-main') this.#adopt();
      if (action.do === 'signal') this.#signal(action.group ? this.#living() : [this.#main, this.#control]);
      if (action.do === 'kill-control') this.#signal([this.#control]);
    }
    if (last?.do === 'run') this.#run(last.phase, last.index, step.state!);
    else if (last?.do === 'restart') this.#restart();
    else for (const state of [step.via, step.state]) if (state !== undefined) this.#enter(state);
  }

  #begin(): void {
    assert.ok(this.isOver, this.trail);
    this.#others = this.#living();
    this.#main = undefined;
    this.#mainKnown = false;
    this.#control = undefined;
    this.#isStopRequested = false;
  }

  #run(phase: ExecPhase, index: number, state: ServiceState): void {
    assert.equal(state, STATE_OF_PHASE[phase], this.trail);
    if (this.#isStopRequested) assert.match(phase, /^ExecStop/, this.trail);
    if (this.#draw(8) === 0) {
      this.#feed({ type: 'not-launched' }, state);
      return;
    }
    if (phase === 'ExecStart' && this.#spec.type !== 'forking') {
      assert.equal(this.#main, undefined, this.trail);
      this.#main = this.#process(phase, index);
      this.#mainKnown = true;
    } else {
      if (this.#control !== undefined) this.#checkLeft(this.#control);
      this.#control = this.#process(phase, index);
    }
    this.#feed({ type: 'launched' }, state);
  }

  /** The next command is run while this one lives. */
  #checkLeft(control: ModelProcess): void {
    const { mode, sendSigkill } = this.#spec.kill;
    assert.ok(control.isKilled || mode === 'none' || !sendSigkill, this.trail);
    this.#others.push(control);
  }

  #adopt(): void {
    this.#main = this.#others.pop();
    this.#mainKnown = true;
  }

  #signal(processes: readonly (ModelProcess | undefined)[]): void {
    for (const one of processes) if (one !== undefined) one.isKilled = true;
  }

  #restart(): void {
    this.stop();
    this.#feed({ type: 'start', tooOften: false });
  }

  #enter(state: ServiceState): void {
    const active = activeStateOf(state);
    if (this.#isStopRequested) assert.ok(active === 'deactivating' || isInactiveOrFailed(active), this.trail);
    this.state = state;
  }
}
