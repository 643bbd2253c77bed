import { readFileSync } from 'node:fs';
import { messageOf } from '../../../lib/index.ts';
import { describeExit, type ExecPhase, type ProcessExit, type ServiceSpec, type UnitSpec } from '../spec/index.ts';
import { admitStart, controlResult, mainResult } from './decisions.ts';
import { ServiceDown } from './service-down.ts';
import { type ProcessRole, ServiceProcesses } from './service-processes.ts';
import type { StartAnswer, StopAnswer, Unit } from './unit.ts';
import { exitVariables } from './unit-environment.ts';
import type { UnitHost } from './unit-host.ts';
import type { ServiceResult, UnitMemory, UnitState, WatchedProcess } from './unit-memory.ts';

const ALIEN_POLL_MS = 500;
const THOROUGH_POLL = 10;

/** A service, with the states and transitions of systemd's service.c. */
export class Service extends ServiceDown implements Unit {
  override readonly processes: ServiceProcesses;

  constructor(host: UnitHost, spec: UnitSpec & { readonly service: ServiceSpec }, memory: UnitMemory) {
    super(host, spec, memory);
    this.processes = new ServiceProcesses(host, spec.service, memory, (role, process, exit) => {
      this.#processEnded(role, process, exit);
    });
  }

  // ---- what others ask for

  start(): StartAnswer {
    const { memory } = this;
    if (this.active === 'deactivating' || memory.state === 'auto-restart') return 'later';
    if (this.active === 'activating') return 'started';
    if (this.active === 'active' || this.active === 'reloading') return 'already';
    if (!admitStart(memory, this.spec.startLimit, this.host.clock.now())) {
      this.note('Start request repeated too quickly.');
      this.enterDead('start-limit-hit', false);
      return 'refused';
    }
    Object.assign(memory, {
      result: 'success',
      mainExit: null,
      mainPid: 0,
      runs: [],
      stopRequested: false,
      statusText: '',
      invocationId: this.host.random.hex(16),
    });
    if (memory.restartsOver) memory.restarts = 0;
    memory.restartsOver = false;
    this.processes.open();
    this.#enterStartPre();
    return 'started';
  }

  stop(): StopAnswer {
    const { state } = this.memory;
    if (state === 'dead' || state === 'failed') return 'already';
    this.memory.stopRequested = true;
    if (state === 'auto-restart') this.setState('dead');
    else if (state === 'running' || state === 'exited') this.enterStop('success');
    else if (this.isUp) this.enterSignal('stop-sigterm', 'success');
    return 'stopping';
  }

  reload(): void {
    this.runCommand('ExecReload', 0);
  }

  /** A message the service sent about itself; sd_notify(3). */
  notify(fields: ReadonlyMap<string, string>): void {
    const { memory } = this;
    const pid = Number(fields.get('MAINPID'));
    if (pid > 0 && pid !== memory.main?.pid && this.processes.members().includes(pid)) {
      this.processes.adoptMain(pid, { phase: 'ExecStart', index: 0 });
    }
    memory.statusText = fields.get('STATUS') ?? memory.statusText;
    this.host.save(memory);
    const extendMs = Number(fields.get('EXTEND_TIMEOUT_USEC')) / 1000;
    if (extendMs > 0 && memory.deadline !== null) this.armTimer(extendMs);
    if (fields.get('READY') === '1' && memory.state === 'start' && this.service.type === 'notify')
      this.#enterStartPost();
    if (fields.get('STOPPING') === '1' && memory.state === 'running') {
      this.setState('stop-sigterm', this.service.timeoutStopMs);
    }
  }

  /** Takes the unit over from an earlier supervisor process, with all that happened meanwhile. */
  resume(): void {
    const { spawning } = this.memory;
    this.processes.resume();
    this.resumeTimer();
    if (spawning !== null) this.#resumeSpawning(spawning.phase, spawning.index);
    this.processes.checkAliens('thoroughly');
    this.watchUntold();
  }

  /** Forgets the unit, which must have ended. */
  dispose(): void {
    this.stopWaiting();
    this.processes.close();
  }

  // ---- the way up

  #enterStartPre(): void {
    if (this.service.exec.ExecStartPre.length > 0) this.runCommand('ExecStartPre', 0);
    else this.#enterStart();
  }

  #enterStart(): void {
    if (this.service.exec.ExecStart.length === 0) this.#enterStartPost();
    else this.runCommand('ExecStart', 0);
  }

  #enterStartPost(): void {
    if (this.service.exec.ExecStartPost.length > 0) this.runCommand('ExecStartPost', 0);
    else this.#enterRunning('success');
  }

  #enterRunning(result: ServiceResult): void {
    this.blame(result);
    if (this.memory.result !== 'success') this.enterSignal('stop-sigterm', result);
    else if (this.#isGood()) this.setState('running', this.service.runtimeMaxMs);
    else if (this.service.remainAfterExit) this.setState('exited');
    else this.enterStop('success');
  }

  /** While the main process is unknown, anybody of the unit stands for it. */
  #isGood(): boolean {
    const { main, mainPid } = this.memory;
    if (main !== null) return true;
    return mainPid === 0 && this.service.exec.ExecStart.length > 0 && this.processes.members().length > 0;
  }

  protected override runCommand(phase: ExecPhase, index: number): void {
    try {
      this.processes.run(this.#roleOf(phase), phase, index, this.#variables(phase));
    } catch (error) {
      this.note(`Failed to run '${STATE_OF_PHASE[phase]}' task: ${messageOf(error)}`);
      this.memory.spawning = null;
      this.#commandImpossible(phase);
      return;
    }
    this.#commandStarted(phase);
  }

  #commandStarted(phase: ExecPhase): void {
    const { timeoutStartMs, timeoutStopMs, type } = this.service;
    const stopping = phase === 'ExecStop' || phase === 'ExecStopPost';
    if (phase === 'ExecStart' && type === 'simple') this.#enterStartPost();
    else this.setState(STATE_OF_PHASE[phase], stopping ? timeoutStopMs : timeoutStartMs);
  }

  #commandImpossible(phase: ExecPhase): void {
    if (phase === 'ExecStopPost') this.enterSignal('final-sigterm', 'resources');
    else if (phase === 'ExecReload') this.#enterRunning('success');
    else this.enterSignal('stop-sigterm', 'resources');
  }

  #roleOf(phase: ExecPhase): ProcessRole {
    return phase === 'ExecStart' && this.service.type !== 'forking' ? 'main' : 'control';
  }

  #variables(phase: ExecPhase): Record<string, string> {
    const { main } = this.memory;
    return {
      ...(main === null ? {} : { MAINPID: String(main.pid) }),
      ...(this.service.type === 'notify' ? { NOTIFY_SOCKET: this.host.notifySocket(this.spec.name) } : {}),
      ...(this.service.pidFile === undefined ? {} : { PIDFILE: this.service.pidFile }),
      ...(phase === 'ExecStop' || phase === 'ExecStopPost' ? exitVariables(this.memory) : {}),
    };
  }

  // ---- ends of processes

  #processEnded(role: ProcessRole, process: WatchedProcess, exit: ProcessExit): void {
    const command = this.service.exec[process.phase][process.index];
    if (role === 'control') {
      const result = controlResult(exit, command);
      if (result !== 'success') this.note(`Control process exited, ${describeExit(exit)}`);
      this.#controlEnded(process, result);
      return;
    }
    this.memory.mainExit = exit;
    // Whoever was told to end and is gone has obeyed, also when nobody saw how.
    const obeyed = exit.code === 'unknown' && this.active === 'deactivating';
    const result = obeyed ? 'success' : mainResult(this.service, exit, command);
    if (result !== 'success') this.note(`Main process exited, ${describeExit(exit)}`);
    this.blame(result);
    this.#mainEnded(process, result);
  }

  #mainEnded(process: WatchedProcess, result: ServiceResult): void {
    const { state, control } = this.memory;
    if (state === 'running') {
      if (result === 'success') this.#tellOfOthers();
      this.#enterRunning(result);
    } else if (state === 'start') this.#mainEndedInStart(process, result);
    else if (control !== null) return;
    else if (state === 'start-post' || state === 'reload') this.enterStop(result);
    else if (state === 'stop') this.enterSignal('stop-sigterm', result);
    else if (state === 'stop-sigterm' || state === 'stop-sigkill') this.enterStopPost(result);
    else if (state === 'stop-post') this.enterSignal('final-sigterm', result);
    else if (state === 'final-sigterm' || state === 'final-sigkill') this.poll(0);
  }

  /** What a program leaves behind that puts itself into the background ends with it, which surprises its user. */
  #tellOfOthers(): void {
    const { type, remainAfterExit, kill } = this.service;
    if (type === 'forking' || remainAfterExit || kill.mode !== 'control-group') return;
    if (this.processes.members().length === 0) return;
    this.note(
      'Main process exited, so what it has started ends, too; a program that goes into the background needs Type=forking.',
    );
  }

  #mainEndedInStart(process: WatchedProcess, result: ServiceResult): void {
    const { type, exec } = this.service;
    if (result !== 'success') this.enterSignal('stop-sigterm', result);
    else if (type === 'notify') this.enterSignal('stop-sigterm', 'protocol');
    else if (type === 'oneshot' && process.index + 1 < exec.ExecStart.length) {
      this.runCommand('ExecStart', process.index + 1);
    } else this.#enterStartPost();
  }

  #controlEnded({ phase, index }: WatchedProcess, result: ServiceResult): void {
    const { state } = this.memory;
    const isDue = state === STATE_OF_PHASE[phase];
    // A reload that fails changes nothing.
    if (state !== 'reload') this.blame(result);
    if (isDue && result === 'success' && index + 1 < this.service.exec[phase].length) this.runCommand(phase, index + 1);
    else if (state === 'reload') this.#enterRunning('success');
    else this.#phaseEnded(state, result);
  }

  #phaseEnded(state: UnitState, result: ServiceResult): void {
    if (state === 'stop') this.enterSignal('stop-sigterm', result);
    else if (state === 'stop-post') this.enterSignal('final-sigterm', result);
    else if (state === 'stop-sigterm' || state === 'stop-sigkill') {
      if (this.memory.main === null) this.enterStopPost(result);
    } else if (state === 'final-sigterm' || state === 'final-sigkill') this.poll(0);
    else if (result !== 'success') this.enterSignal('stop-sigterm', result);
    else if (state === 'start-pre') this.#enterStart();
    else if (state === 'start') this.#forked();
    else if (state === 'start-post') this.#enterRunning('success');
  }

  /** A forking service has put itself into the background: its main process is to be found. */
  #forked(): void {
    const { pidFile, guessMainPid } = this.service;
    if (pidFile !== undefined) {
      if (this.#loadPidFile(pidFile)) this.#enterStartPost();
      else {
        this.note(`Can't open PID file ${pidFile} (yet?) after start: No such file or directory`);
        this.watchUntold();
      }
      return;
    }
    const guess = guessMainPid ? this.processes.guessMain() : undefined;
    if (guess !== undefined) this.processes.adoptMain(guess, { phase: 'ExecStart', index: 0 });
    this.#enterStartPost();
  }

  #loadPidFile(path: string): boolean {
    try {
      const pid = Number(readFileSync(path, 'utf8').trim());
      // Anything may stand in the file: only a process of this unit may be its main one.
      return this.processes.members().includes(pid) && this.processes.adoptMain(pid, { phase: 'ExecStart', index: 0 });
    } catch {
      return false;
    }
  }

  // ---- time

  protected override timedOut(): void {
    const { state } = this.memory;
    if (state === 'auto-restart') this.restart();
    else if (state === 'running') {
      this.note('Service reached runtime time limit. Stopping.');
      this.enterStop('timeout');
    } else if (state === 'reload') {
      this.note('Reload operation timed out. Killing reload process.');
      this.processes.killControl();
    } else if (state === 'stop') {
      this.note('Stopping timed out. Terminating.');
      this.enterSignal('stop-sigterm', 'timeout');
    } else if (this.active === 'activating') {
      this.note(`${state} operation timed out. Terminating.`);
      this.enterSignal('stop-sigterm', 'timeout');
    } else this.stoppingTimedOut(state);
  }

  protected override pollDelayMs(polls: number): number | undefined {
    const { state, main, control, mainPid } = this.memory;
    const soonMs = Math.min(100, 4 * 2 ** Math.min(polls, 5));
    const { hasAlien } = this.processes;
    if (/^(stop|final)-sig/.test(state)) return hasAlien || (main === null && control === null) ? soonMs : undefined;
    if (state === 'start' && (this.service.type === 'exec' || (control === null && main === null))) return soonMs;
    const unknownMain = state === 'running' && main === null && mainPid === 0;
    return hasAlien || unknownMain ? ALIEN_POLL_MS : undefined;
  }

  protected override poll(polls: number): void {
    const { state } = this.memory;
    // Most of the time it is enough that the pid is still somebody's.
    const thorough = this.active === 'deactivating' || polls % THOROUGH_POLL === 0;
    if (this.processes.checkAliens(thorough ? 'thoroughly' : 'quickly')) return;
    if (state === 'start') this.#pollStart();
    else if (state === 'running' && !this.#isGood()) this.#enterRunning('success');
    else if (/^(stop|final)-sig/.test(state)) this.pollStopping(state);
  }

  #pollStart(): void {
    const { type, pidFile } = this.service;
    const { main, control } = this.memory;
    if (type === 'exec' && main !== null && this.processes.hasExecuted(main)) this.#enterStartPost();
    if (type !== 'forking' || control !== null || pidFile === undefined) return;
    if (this.#loadPidFile(pidFile)) this.#enterStartPost();
    else if (this.processes.members().length === 0) {
      this.note('Daemon never wrote its PID file. Failing.');
      this.enterSignal('stop-sigterm', 'protocol');
    }
  }

  /** What was just being started either runs, and is taken over, or is started now. */
  #resumeSpawning(phase: ExecPhase, index: number): void {
    if (this.processes.resumeSpawned(this.#roleOf(phase), phase, index)) this.#commandStarted(phase);
    else this.runCommand(phase, index);
  }
}

type CommandState = 'start-pre' | 'start' | 'start-post' | 'reload' | 'stop' | 'stop-post';

const STATE_OF_PHASE: Readonly<Record<ExecPhase, CommandState>> = {
  ExecStartPre: 'start-pre',
  ExecStart: 'start',
  ExecStartPost: 'start-post',
  ExecReload: 'reload',
  ExecStop: 'stop',
  ExecStopPost: 'stop-post',
};
