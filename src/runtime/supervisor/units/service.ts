import { messageOf } from '../../../lib/index.ts';
import { describeExit, type ExecPhase, type ProcessExit, type ServiceSpec, type UnitSpec } from '../spec/index.ts';
import { controlResult, countStart, mainResult } from './decisions.ts';
import { type ProcessRole, ServiceProcesses } from './service-processes.ts';
import {
  type ServiceAction,
  type ServiceEvent,
  type ServiceFacts,
  type ServiceStep,
  STATE_OF_PHASE,
} from './service-step.ts';
import { StateTimers } from './state-timers.ts';
import { type ActiveState, activeStateOf, isInactiveOrFailed, isUp, type ServiceState } from './states.ts';
import { isThorough, lookDelayMs, timeLimitMs } from './timing.ts';
import { next } from './transition.ts';
import type { StartAnswer, StopAnswer, SupervisedUnit } from './unit.ts';
import { exitVariables } from './unit-environment.ts';
import type { UnitHost } from './unit-host.ts';
import type { UnitMemory, WatchedProcess } from './unit-memory.ts';

/** A service: feeds what happens to it into `next`, and carries out what that returns. It decides nothing itself. */
export class Service implements SupervisedUnit {
  readonly spec: UnitSpec;
  readonly memory: UnitMemory;
  readonly processes: ServiceProcesses;
  readonly #service: ServiceSpec;
  readonly #host: UnitHost;
  readonly #timers: StateTimers;
  /** Looks taken in the present state. */
  #looks = 0;

  constructor(host: UnitHost, spec: UnitSpec & { readonly service: ServiceSpec }, memory: UnitMemory) {
    this.#host = host;
    this.spec = spec;
    this.memory = memory;
    this.#service = spec.service;
    this.#timers = new StateTimers(host.clock);
    this.processes = new ServiceProcesses(host, spec.service, memory, (role, process, exit) => {
      this.#processEnded(role, process, exit);
    });
  }

  get active(): ActiveState {
    return activeStateOf(this.memory.state);
  }

  get #state(): ServiceState {
    // A record with the state of a target is refused when it is read.
    return this.memory.state as ServiceState;
  }

  // ---- events

  start(): StartAnswer {
    const { memory, active } = this;
    if (active === 'deactivating' || memory.state === 'auto-restart') return 'later';
    if (!isInactiveOrFailed(active)) return active === 'activating' ? 'started' : 'already';
    const window = countStart(memory.startWindow, this.spec.startLimit, this.#host.clock.now());
    if (window !== undefined) memory.startWindow = window;
    this.#feed({ type: 'start', tooOften: window === undefined });
    return window === undefined ? 'refused' : 'started';
  }

  stop(): StopAnswer {
    if (isInactiveOrFailed(this.active)) return 'already';
    this.memory.stopRequested = true;
    this.#feed({ type: 'stop' });
    return 'stopping';
  }

  reload(): boolean {
    if (!isUp(this.active)) return false;
    this.#feed({ type: 'reload' });
    return true;
  }

  /** Receives a message that the service sent about itself; sd_notify(3). */
  notify(fields: ReadonlyMap<string, string>): void {
    const { memory } = this;
    const pid = Number(fields.get('MAINPID'));
    if (pid > 0 && pid !== memory.main?.pid && this.processes.members().includes(pid)) this.processes.adoptMain(pid);
    memory.statusText = fields.get('STATUS') ?? memory.statusText;
    this.#host.save(memory);
    const extendMs = Number(fields.get('EXTEND_TIMEOUT_USEC')) / 1000;
    if (extendMs > 0 && memory.deadline !== null) this.#limit(extendMs);
    if (fields.get('READY') === '1') this.#feed({ type: 'ready' });
    if (fields.get('STOPPING') === '1') this.#feed({ type: 'stopping' });
  }

  #processEnded(role: ProcessRole, { phase, index }: WatchedProcess, exit: ProcessExit): void {
    const command = this.#service.exec[phase][index];
    if (role === 'control') {
      const result = controlResult(exit, command);
      if (result !== 'success') this.#say(`Control process exited, ${describeExit(exit)}`);
      this.#feed({ type: 'control-ended', phase, index, result });
      return;
    }
    this.memory.mainExit = exit;
    const result = mainResult(this.#service, exit, { command, active: this.active });
    if (result !== 'success') this.#say(`Main process exited, ${describeExit(exit)}`);
    this.#feed({ type: 'main-ended', index, result });
  }

  #look(): void {
    this.#looks++;
    const how = isThorough(this.active, this.#looks) ? 'thoroughly' : 'quickly';
    if (!this.processes.checkAliens(how)) this.#feed({ type: 'look' });
    this.#lookAgain();
  }

  /** Takes the unit over from an earlier supervisor process, with everything that happened meanwhile. */
  resume(): void {
    const { spawning, deadline } = this.memory;
    this.processes.resume();
    if (deadline !== null) this.#limit(Math.max(0, deadline - this.#host.clock.now()));
    if (spawning !== null) this.#resumeSpawning(spawning.phase, spawning.index);
    this.processes.checkAliens('thoroughly');
    this.#lookAgain();
  }

  /** The earlier process was starting a command: takes it over if it runs, else starts it now. */
  #resumeSpawning(phase: ExecPhase, index: number): void {
    const state = STATE_OF_PHASE[phase];
    if (this.processes.resumeSpawned(this.#roleOf(phase), phase, index)) this.#feed({ type: 'launched' }, state);
    else this.#carryOut({ state, actions: [{ do: 'run', phase, index }] });
  }

  /** Forgets the unit, which must have ended. */
  dispose(): void {
    this.#timers.cancel();
    this.processes.close();
  }

  // ---- what follows

  /** `state` is the present one, except for the outcome of a `run`: that belongs to the state to be entered. */
  #feed(event: ServiceEvent, state: ServiceState = this.#state): void {
    this.#carryOut(next(state, event, this.#facts()));
  }

  #carryOut({ state, via, result, actions }: ServiceStep): void {
    if (result !== undefined) this.memory.result = result;
    for (const action of actions) {
      if (action.do === 'run') {
        const type = this.#run(action.phase, action.index) ? 'launched' : 'not-launched';
        this.#feed({ type }, state);
        return;
      }
      this.#act(action);
    }
    if (via !== undefined) this.#enter(via);
    if (state !== undefined) this.#enter(state);
    else if (!this.#timers.isLookDue) this.#lookAgain();
  }

  #act(action: Exclude<ServiceAction, { readonly do: 'run' }>): void {
    if (action.do === 'say') this.#say(action.text);
    else if (action.do === 'begin') this.#begin();
    else if (action.do === 'adopt-main') this.processes.adoptMain(action.pid);
    else if (action.do === 'signal') this.processes.signal(action);
    else if (action.do === 'kill-control') this.processes.killControl();
    else if (action.do === 'end') this.#end(action.restarts);
    else if (action.do === 'restart') this.#restart();
    else action satisfies never;
  }

  #say(text: string): void {
    this.#host.say(this.spec.name, `${this.spec.name}: ${text}`);
  }

  #begin(): void {
    const { memory } = this;
    Object.assign(memory, {
      mainExit: null,
      mainPid: 0,
      runs: [],
      stopRequested: false,
      statusText: '',
      invocationId: this.#host.random.hex(16),
    });
    if (memory.restartsOver) memory.restarts = 0;
    memory.restartsOver = false;
    this.processes.open();
    // A process that outlived the run before (by KillMode=none, or by not heeding SIGKILL) does not count in this one.
    memory.main = null;
    memory.control = null;
  }

  #end(restarts: boolean): void {
    this.memory.restartsOver = !restarts;
    this.processes.end();
  }

  /** Starts a command; false when not even its environment can be made. */
  #run(phase: ExecPhase, index: number): boolean {
    try {
      this.processes.run(this.#roleOf(phase), phase, index, this.#variables(phase));
      return true;
    } catch (error) {
      this.#say(`Failed to run '${STATE_OF_PHASE[phase]}' task: ${messageOf(error)}`);
      this.memory.spawning = null;
      return false;
    }
  }

  #roleOf(phase: ExecPhase): ProcessRole {
    return phase === 'ExecStart' && this.#service.type !== 'forking' ? 'main' : 'control';
  }

  #variables(phase: ExecPhase): Record<string, string> {
    const { main } = this.memory;
    return {
      ...(main === null ? {} : { MAINPID: String(main.pid) }),
      ...(this.#service.type === 'notify' ? { NOTIFY_SOCKET: this.#host.notifySocket(this.spec.name) } : {}),
      ...(this.#service.pidFile === undefined ? {} : { PIDFILE: this.#service.pidFile }),
      ...(phase === 'ExecStop' || phase === 'ExecStopPost' ? exitVariables(this.memory) : {}),
    };
  }

  #restart(): void {
    this.memory.restarts++;
    this.#say(`Scheduled restart job, restart counter is at ${this.memory.restarts}.`);
    this.#host.restart(this.spec.name);
  }

  #enter(state: ServiceState): void {
    const { memory } = this;
    const before = this.active;
    memory.state = state;
    this.#limit(timeLimitMs(state, this.#service));
    if (before !== this.active) {
      const now = this.#host.clock.now();
      memory.stateSince = now;
      if (isUp(this.active) && !isUp(before)) memory.activeSince = now;
      if (isUp(before) && !isUp(this.active)) memory.activeUntil = now;
    }
    this.#looks = 0;
    this.#lookAgain();
    this.#host.save(memory);
    this.#host.changed(memory.name, before);
  }

  /** (Re)starts the present state's time. */
  #limit(ms: number): void {
    this.memory.deadline = Number.isFinite(ms) ? this.#host.clock.now() + ms : null;
    this.#timers.limit(ms, () => this.#feed({ type: 'timed-out' }));
  }

  #lookAgain(): void {
    const { hasAlien } = this.processes;
    const delayMs = lookDelayMs(this.#state, this.#service, { ...this.#watched(), hasAlien, looks: this.#looks });
    this.#timers.look(delayMs, () => this.#look());
  }

  // ---- facts

  #watched() {
    const { main, mainPid, control } = this.memory;
    return { main: main !== null, mainKnown: main !== null || mainPid !== 0, control: control !== null };
  }

  #facts(): ServiceFacts {
    const { memory, processes } = this;
    const { result, mainExit, stopRequested } = memory;
    let isAnyLeft: boolean | undefined;
    return {
      spec: this.#service,
      ...{ result, mainExit, stopRequested },
      isRestarting: memory.job === 'restart',
      ...this.#watched(),
      isAnyLeft: () => {
        isAnyLeft ??= processes.members().length > 0;
        return isAnyLeft;
      },
      hasExecuted: () => processes.hasExecuted(),
      pidInFile: () => processes.pidInFile(),
      guessedPid: () => processes.guessMain(),
    };
  }
}
