import type { ChildProcess } from 'node:child_process';
import { rmSync } from 'node:fs';
import { constants } from 'node:os';
import { messageOf, readStateFile } from '../../../lib/index.ts';
import {
  isRunning,
  LaunchFailure,
  type LaunchPlan,
  launch,
  type ProcessGroup,
  planFailure,
  planLaunch,
  readEnvironment,
  readStat,
  sendSignal,
} from '../process/index.ts';
import {
  commandText,
  type ExecCommand,
  type ExecPhase,
  expandArgv,
  type ProcessExit,
  type ServiceSpec,
  signalName,
} from '../spec/index.ts';
import { OutputStreams, type Stdio } from './output-streams.ts';
import { environmentOf } from './unit-environment.ts';
import type { UnitHost } from './unit-host.ts';
import type { OpenStream, UnitMemory, WatchedProcess } from './unit-memory.ts';

export type ProcessRole = 'main' | 'control';
type Started = ChildProcess & { readonly pid: number };
export type ProcessEnded = (role: ProcessRole, process: WatchedProcess, exit: ProcessExit) => void;

const SIGNALS: Readonly<Record<string, number>> = constants.signals;
const SIGCONT = constants.signals.SIGCONT;
const SIGHUP = constants.signals.SIGHUP;
const SIGKILL = constants.signals.SIGKILL;

/** The processes of one service: starts them, hears of their end, signals them. */
export class ServiceProcesses {
  readonly #host: UnitHost;
  readonly #spec: ServiceSpec;
  readonly #memory: UnitMemory;
  readonly #ended: ProcessEnded;
  readonly #group: ProcessGroup;
  readonly #streams: OutputStreams;
  readonly #signalled = new Set<number>();

  constructor(host: UnitHost, spec: ServiceSpec, memory: UnitMemory, ended: ProcessEnded) {
    this.#host = host;
    this.#spec = spec;
    this.#memory = memory;
    this.#ended = ended;
    this.#group = host.groups.groupOf(memory.name);
    this.#streams = new OutputStreams(host.fifos, host.writerOf(memory.name), (fifo) => this.#streamEnded(fifo));
  }

  get cgroup(): string | undefined {
    return this.#group.cgroup;
  }

  /** To be called with a new invocation id, before anything runs under it. */
  open(): void {
    for (const pid of this.members()) {
      const text = `Found left-over process ${pid} (${readStat(pid)?.comm ?? '?'}) while starting unit. Ignoring.`;
      this.#host.say(this.#memory.name, `${this.#memory.name}: ${text}`);
    }
    this.#group.open(this.#memory.invocationId);
  }

  /**
   * Starts a command; its end is reported later, also when it could not be run. Throws when even the environment for
   * it cannot be made.
   */
  run(role: ProcessRole, phase: ExecPhase, index: number, extra: Readonly<Record<string, string>>): void {
    const memory = this.#memory;
    const command = this.#spec.exec[phase][index]!;
    const environment = environmentOf(this.#spec.context, memory, extra);
    const { plan, stdio } = this.#prepare(command, environment);
    const others = memory.streams;
    // Whoever takes over in this very moment must find the process, and what it prints.
    memory.spawning = { phase, index };
    memory.streams = [...others, ...stdio.streams];
    this.#host.saveNow(memory);
    const child = this.#launch(plan, environment, stdio);
    memory.spawning = null;
    if (typeof child === 'string') this.#reportNoProcess(child, role, { phase, index });
    else this.#watchChild(child, child.pid, role, { phase, index });
    const pid = typeof child === 'string' ? 0 : child.pid;
    memory.streams = [...others, ...stdio.attach(pid)];
    stdio.close();
    memory.runs.push({
      phase,
      text: commandText(command),
      pid,
      startedAt: this.#host.clock.now(),
    });
    this.#host.save(memory);
  }

  #prepare(command: ExecCommand, environment: Readonly<Record<string, string>>): { plan: LaunchPlan; stdio: Stdio } {
    const { context } = this.#spec;
    const [argv0 = '', ...args] = expandArgv(command, environment);
    try {
      const plan = planLaunch({
        path: command.path,
        args,
        argv0: command.argv0 === undefined ? undefined : argv0,
        privileged: command.privileged,
        context,
        entry: this.#group.entry,
        keepPwd: environment['PWD'] !== undefined,
      });
      const identifier = context.syslogIdentifier ?? command.path.slice(command.path.lastIndexOf('/') + 1);
      return { plan, stdio: this.#streams.open(context, identifier) };
    } catch (error) {
      if (!(error instanceof LaunchFailure)) throw error;
      const { name } = this.#memory;
      if (error.step === 'EXEC') {
        this.#host.say(name, `${name}: Failed to locate executable ${command.path}: ${error.message}`);
      }
      this.#host.say(name, `${name}: Failed at step ${error.step} spawning ${command.path}: ${error.message}`);
      return { plan: planFailure(error.step, this.#group.entry), stdio: NO_STDIO };
    }
  }

  #watchChild(child: ChildProcess, pid: number, role: ProcessRole, of: { phase: ExecPhase; index: number }): void {
    const startTime = readStat(pid)?.startTime ?? 0;
    const watched: WatchedProcess = { pid, startTime, alien: false, ...of };
    this.#memory[role] = watched;
    if (role === 'main') this.#memory.mainPid = pid;
    child.on('exit', (status, signal) => {
      const exit: ProcessExit =
        signal === null ? { code: 'exited', status: status ?? 0 } : { code: 'killed', status: SIGNALS[signal] ?? 0 };
      this.#endSoon(role, watched, exit);
    });
  }

  #endSoon(role: ProcessRole, watched: WatchedProcess, exit: ProcessExit): void {
    this.#group.afterEnd(() => this.#report(role, watched, exit));
  }

  /** The started process, or the reason why the system gave none. */
  #launch(plan: LaunchPlan, environment: Readonly<Record<string, string>>, stdio: Stdio): Started | string {
    try {
      const child = launch(plan, environment, [stdio.stdout, stdio.stderr]);
      child.on('error', () => {});
      return child.pid === undefined ? 'the system is out of processes or memory' : (child as Started);
    } catch (error) {
      return messageOf(error);
    }
  }

  /** Told as an end, so that the unit need not know another way to fail. */
  #reportNoProcess(reason: string, role: ProcessRole, of: { phase: ExecPhase; index: number }): void {
    const watched: WatchedProcess = { pid: 0, startTime: 0, alien: false, ...of };
    this.#memory[role] = watched;
    this.#host.say(this.#memory.name, `${this.#memory.name}: Failed to start a process: ${reason}`);
    this.#host.clock.after(0, () => this.#report(role, watched, { code: 'exited', status: 1 }));
  }

  #report(role: ProcessRole, watched: WatchedProcess, exit: ProcessExit): void {
    const memory = this.#memory;
    this.#streams.drain(watched.pid);
    const run = memory.runs.find((one) => one.pid === watched.pid && one.exit === undefined);
    if (run !== undefined) {
      run.exit = exit;
      run.endedAt = this.#host.clock.now();
    }
    const current = memory[role];
    // The main process may have been replaced meanwhile (MAINPID=, PIDFile=).
    if (current?.pid !== watched.pid || current.startTime !== watched.startTime) return;
    memory[role] = null;
    this.#host.save(memory);
    this.#ended(role, watched, exit);
  }

  /** Living processes of the unit. */
  members(): readonly number[] {
    return this.#group.members([this.#memory.main, this.#memory.control].filter((one) => one !== null));
  }

  /** Makes a process that is not our child the main one, unless it has ended meanwhile. */
  adoptMain(pid: number): void {
    const stat = readStat(pid);
    if (stat === undefined) return;
    this.#memory.main = { pid, startTime: stat.startTime, alien: true, phase: 'ExecStart', index: 0 };
    this.#memory.mainPid = pid;
    this.#host.save(this.#memory);
  }

  /** Returns the pid in PIDFile= if it is a process of this unit: anything may stand in the file. */
  pidInFile(): number | undefined {
    try {
      const pid = Number(readStateFile(this.#spec.pidFile ?? '').trim());
      return this.members().includes(pid) ? pid : undefined;
    } catch {
      return undefined;
    }
  }

  /** The one member whose parent is none: what a forking service left behind. Undefined when there are several. */
  guessMain(): number | undefined {
    const members = this.members();
    const roots = members.filter((pid) => !members.includes(readStat(pid)?.ppid ?? 0));
    return roots.length === 1 ? roots[0] : undefined;
  }

  /** Reports the end of processes that are not our children and so are not told of; true when one has ended. */
  checkAliens(how: 'quickly' | 'thoroughly'): boolean {
    let ended = false;
    for (const role of ['control', 'main'] as const) {
      const watched = this.#memory[role];
      if (!watched?.alien || (how === 'quickly' ? sendSignal(watched.pid, 0) : isRunning(watched))) continue;
      ended = true;
      this.#endSoon(role, watched, { code: 'unknown', status: 0 });
    }
    return ended;
  }

  get hasAlien(): boolean {
    return this.#memory.main?.alien === true || this.#memory.control?.alien === true;
  }

  /** True once the main process is the program itself, and no longer the shell that prepares for it. */
  hasExecuted(): boolean {
    const pid = this.#memory.main?.pid;
    return pid !== undefined && readEnvironment(pid).get('SYSTEMD_EXEC_PID') === String(pid);
  }

  /** Signals main and control process, with `group` every process of the unit; newcomers are those not signalled since. */
  signal({
    signal,
    group,
    to,
  }: {
    readonly signal: number;
    readonly group: boolean;
    readonly to: 'all' | 'newcomers';
  }) {
    if (to === 'all') this.#signalled.clear();
    for (const watched of [this.#memory.main, this.#memory.control]) {
      if (watched !== null) this.#signalWatched(watched, signal);
    }
    if (!group) return;
    if (signal === SIGKILL) this.#group.killAll();
    // Until nobody new is found: who is signalled may be forking.
    for (let fresh = this.#unsignalled(); fresh.length > 0; fresh = this.#unsignalled()) {
      for (const pid of fresh) this.#signal(pid, signal);
    }
  }

  killControl(): void {
    const { control } = this.#memory;
    if (control !== null) this.#signalWatched(control, SIGKILL);
  }

  #unsignalled(): readonly number[] {
    return this.members().filter((pid) => !this.#signalled.has(pid));
  }

  #signalWatched(watched: WatchedProcess, signal: number): void {
    if (this.#signalled.has(watched.pid) || watched.pid === 0) return;
    // Our own child keeps its pid until we have heard of its end; another's pid may be somebody else's by now.
    if (watched.alien && !isRunning(watched)) return;
    this.#signal(watched.pid, signal);
  }

  #signal(pid: number, signal: number): void {
    this.#signalled.add(pid);
    if (signal === SIGKILL) {
      const { name } = this.#memory;
      const comm = readStat(pid)?.comm ?? '?';
      this.#host.say(name, `${name}: Killing process ${pid} (${comm}) with signal SIG${signalName(signal)}.`);
    }
    sendSignal(pid, signal);
    if (signal === SIGKILL || signal === SIGCONT) return;
    sendSignal(pid, SIGCONT);
    if (this.#spec.kill.sendSighup && signal !== SIGHUP) sendSignal(pid, SIGHUP);
  }

  /** Ends a run. */
  end(): void {
    if (this.#spec.pidFile !== undefined) rmSync(this.#spec.pidFile, { force: true });
    this.close();
  }

  /** Lets go of the group once nothing is left in it. */
  close(): void {
    if (this.members().length === 0) this.#group.remove();
  }

  /** Goes on where an earlier supervisor ended: reads the outputs, takes the processes as aliens. */
  resume(): void {
    const memory = this.#memory;
    if (memory.invocationId !== '') this.#group.open(memory.invocationId);
    for (const stream of [...memory.streams]) if (!this.#isPending(stream)) this.#streams.resume(stream);
    for (const role of ['main', 'control'] as const) {
      const watched = memory[role];
      if (watched !== null) memory[role] = { ...watched, alien: true };
    }
  }

  /** Takes over the process that was just being started when an earlier supervisor ended, if it came to be. */
  resumeSpawned(role: ProcessRole, phase: ExecPhase, index: number): boolean {
    const memory = this.#memory;
    const pid = this.members().find((member) => this.#wasStartedByUs(member));
    const stat = pid === undefined ? undefined : readStat(pid);
    const pending = memory.streams.filter((stream) => this.#isPending(stream));
    memory.spawning = null;
    memory.streams = memory.streams.filter((stream) => !pending.includes(stream));
    if (stat === undefined) {
      for (const stream of pending) this.#streams.giveBack(stream);
      return false;
    }
    const streams = pending.map((stream) => ({ ...stream, pid: stat.pid }));
    memory.streams.push(...streams);
    for (const stream of streams) this.#streams.resume(stream);
    memory[role] = { pid: stat.pid, startTime: stat.startTime, alien: true, phase, index };
    if (role === 'main') memory.mainPid = stat.pid;
    const text = commandText(this.#spec.exec[phase][index]!);
    memory.runs.push({ phase, text, pid: stat.pid, startedAt: this.#host.clock.now() });
    return true;
  }

  /** A stream of the process that was being started when an earlier supervisor ended. */
  #isPending({ pid }: OpenStream): boolean {
    return pid === 0 && this.#memory.spawning !== null;
  }

  #wasStartedByUs(pid: number): boolean {
    const { invocationId, main, control } = this.#memory;
    if (main?.pid === pid || control?.pid === pid) return false;
    const environment = readEnvironment(pid);
    // The shell that prepares for the program does not have it yet, and its descendants have another's.
    const executed = environment.get('SYSTEMD_EXEC_PID') ?? String(pid);
    return environment.get('INVOCATION_ID') === invocationId && executed === String(pid);
  }

  #streamEnded(fifo: string): void {
    this.#memory.streams = this.#memory.streams.filter((stream) => stream.fifo !== fifo);
    this.#host.save(this.#memory);
  }
}

const NO_STDIO: Stdio = { stdout: 'ignore', stderr: 'ignore', streams: [], attach: () => [], close: () => {} };
