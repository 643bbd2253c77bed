import {
  after,
  blame,
  type EventOf,
  enter,
  nextCommand,
  run,
  type ServiceFacts,
  type ServiceStep,
  STAY,
  say,
  stay,
} from './service-step.ts';
import type { CommandState } from './states.ts';
import { enterSignal, enterStop, refuseStart } from './way-down.ts';

/*
 * A service's start, and its life while it is up. The `enter…` functions are those of service.c; the exported ones are the
 * cells of the table in transition.ts.
 */

function enterStartPre(facts: ServiceFacts): ServiceStep {
  return facts.spec.exec.ExecStartPre.length > 0 ? run('ExecStartPre', 0, facts) : enterStart(facts);
}

function enterStart(facts: ServiceFacts): ServiceStep {
  return facts.spec.exec.ExecStart.length > 0 ? run('ExecStart', 0, facts) : enterStartPost(facts);
}

function enterStartPost(facts: ServiceFacts): ServiceStep {
  return facts.spec.exec.ExecStartPost.length > 0 ? run('ExecStartPost', 0, facts) : enterRunning(facts);
}

/** Enters the state that fits once the start's commands have run; also called when the main process has ended. */
function enterRunning(facts: ServiceFacts): ServiceStep {
  if (facts.result !== 'success') return enterSignal('stop-sigterm', facts);
  if (isGood(facts)) return enter('running', facts);
  return facts.spec.remainAfterExit ? enter('exited', facts) : enterStop(facts);
}

/** While the main process is unknown, any process of the unit stands for it. */
function isGood(facts: ServiceFacts): boolean {
  return facts.main || (!facts.mainKnown && facts.spec.exec.ExecStart.length > 0 && facts.isAnyLeft());
}

// ---- start

export function start(facts: ServiceFacts, { tooOften }: EventOf<'start'>): ServiceStep {
  if (tooOften) return refuseStart(facts);
  const forgotten = { mainExit: null, main: false, mainKnown: false, control: false, stopRequested: false };
  return after(enterStartPre({ ...facts, ...forgotten, result: 'success' }), { do: 'begin' });
}

/** Type=simple is up as soon as its process exists. */
export function launched(facts: ServiceFacts): ServiceStep {
  return facts.spec.type === 'simple' ? enterStartPost(facts) : enter('start', facts);
}

export function preEnded(facts: ServiceFacts, event: EventOf<'control-ended'>): ServiceStep {
  const now = blame(facts, event.result);
  if (event.result !== 'success') return enterSignal('stop-sigterm', now);
  return nextCommand(now, 'ExecStartPre', event) ?? enterStart(now);
}

/** The command of Type=forking has ended: it has put a daemon into the background. */
export function startEnded(facts: ServiceFacts, event: EventOf<'control-ended'>): ServiceStep {
  const now = blame(facts, event.result);
  if (event.result !== 'success') return enterSignal('stop-sigterm', now);
  return nextCommand(now, 'ExecStart', event) ?? findDaemon(now);
}

function findDaemon(facts: ServiceFacts): ServiceStep {
  const { pidFile, guessMainPid } = facts.spec;
  if (pidFile === undefined) return daemonIs(guessMainPid ? facts.guessedPid() : undefined, facts);
  const pid = facts.pidInFile();
  if (pid !== undefined) return daemonIs(pid, facts);
  return stay(facts, say(`Can't open PID file ${pidFile} (yet?) after start: No such file or directory`));
}

function daemonIs(pid: number | undefined, facts: ServiceFacts): ServiceStep {
  if (pid === undefined) return enterStartPost(facts);
  return after(enterStartPost({ ...facts, main: true, mainKnown: true }), { do: 'adopt-main', pid });
}

export function mainOfStart(facts: ServiceFacts, { index, result }: EventOf<'main-ended'>): ServiceStep {
  const now = blame(facts, result);
  const { type, exec } = facts.spec;
  if (result !== 'success') return enterSignal('stop-sigterm', now);
  if (type === 'notify') return enterSignal('stop-sigterm', blame(now, 'protocol'));
  if (type === 'oneshot' && index + 1 < exec.ExecStart.length) return run('ExecStart', index + 1, now);
  return enterStartPost(now);
}

export function ready(facts: ServiceFacts): ServiceStep {
  return facts.spec.type === 'notify' ? enterStartPost(facts) : STAY;
}

/** Type=exec is up once its program runs, Type=forking with PIDFile= once the file names a process of the unit. */
export function lookStart(facts: ServiceFacts): ServiceStep {
  const { type, pidFile } = facts.spec;
  if (type === 'exec' && facts.main && facts.hasExecuted()) return enterStartPost(facts);
  if (type !== 'forking' || facts.control || pidFile === undefined) return STAY;
  const pid = facts.pidInFile();
  if (pid !== undefined) return daemonIs(pid, facts);
  if (facts.isAnyLeft()) return STAY;
  const text = 'Daemon never wrote its PID file. Failing.';
  return after(enterSignal('stop-sigterm', blame(facts, 'protocol')), say(text));
}

export function postEnded(facts: ServiceFacts, event: EventOf<'control-ended'>): ServiceStep {
  const now = blame(facts, event.result);
  if (event.result !== 'success') return enterSignal('stop-sigterm', now);
  return nextCommand(now, 'ExecStartPost', event) ?? enterRunning(now);
}

export function startLate(facts: ServiceFacts, _event: unknown, state: CommandState): ServiceStep {
  const text = `${state} operation timed out. Terminating.`;
  return after(enterSignal('stop-sigterm', blame(facts, 'timeout')), say(text));
}

// ---- up

/** A process that became the main one by MAINPID= has ended in a state that needs none. */
export function noteMain(facts: ServiceFacts, { result }: EventOf<'main-ended'>): ServiceStep {
  return stay(blame(facts, result));
}

export function mainEnded(facts: ServiceFacts, { result }: EventOf<'main-ended'>): ServiceStep {
  const step = enterRunning(blame(facts, result));
  return result === 'success' && leavesOthers(facts) ? after(step, say(OTHERS_END)) : step;
}

const OTHERS_END =
  'Main process exited, so what it has started ends, too; a program that goes into the background needs Type=forking.';

/** Without Type=forking, a daemon in the background ends with the program that started it, which surprises users. */
function leavesOthers(facts: ServiceFacts): boolean {
  const { type, remainAfterExit, kill } = facts.spec;
  return type !== 'forking' && !remainAfterExit && kill.mode === 'control-group' && facts.isAnyLeft();
}

/** A command of the start has ended after the service was up. */
export function strayEnded(facts: ServiceFacts, { result }: EventOf<'control-ended'>): ServiceStep {
  return result === 'success' ? STAY : enterSignal('stop-sigterm', blame(facts, result));
}

/** An unknown main process ends with the last process of the unit. */
export function lookRun(facts: ServiceFacts): ServiceStep {
  return isGood(facts) ? STAY : enterRunning(facts);
}

/** The service has run for RuntimeMaxSec=. */
export function runLate(facts: ServiceFacts): ServiceStep {
  return after(enterStop(blame(facts, 'timeout')), say('Service reached runtime time limit. Stopping.'));
}

// ---- reload

export function reload(facts: ServiceFacts): ServiceStep {
  return run('ExecReload', 0, facts);
}

/** A reload that fails changes nothing. */
export function reloadEnded(facts: ServiceFacts, event: EventOf<'control-ended'>): ServiceStep {
  return nextCommand(facts, 'ExecReload', event) ?? enterRunning(facts);
}

export function cannotReload(facts: ServiceFacts): ServiceStep {
  return enterRunning(facts);
}

export function reloadLate(facts: ServiceFacts): ServiceStep {
  return stay(facts, say('Reload operation timed out. Killing reload process.'), { do: 'kill-control' });
}
