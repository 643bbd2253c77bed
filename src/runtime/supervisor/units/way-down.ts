import { shouldRestart } from './decisions.ts';
import {
  after,
  blame,
  type EventOf,
  enter,
  nextCommand,
  run,
  type ServiceAction,
  type ServiceFacts,
  type ServiceStep,
  say,
  stay,
} from './service-step.ts';
import { isKilled, type SignalState } from './states.ts';

/*
 * A service's stop: ExecStop=, signals, ExecStopPost=, signals to the rest, the end. The `enter…` functions are those of
 * service.c; the other exported ones are cells of the table in transition.ts.
 */

export function enterStop(facts: ServiceFacts): ServiceStep {
  if (facts.spec.exec.ExecStop.length > 0) return run('ExecStop', 0, facts);
  return enterSignal('stop-sigterm', facts);
}

/** Signals the processes that KillMode= names; goes on to the next state when none of them lives. */
export function enterSignal(state: SignalState, facts: ServiceFacts): ServiceStep {
  const { mode, sendSigkill } = facts.spec.kill;
  if (mode !== 'none' && !isAllGone(facts, state)) return enter(state, facts, signal(facts, state, 'all'));
  if (state === 'stop-sigterm' && sendSigkill) return enterSignal('stop-sigkill', facts);
  if (state === 'final-sigterm' && sendSigkill) return enterSignal('final-sigkill', facts);
  return afterSignal(state, facts);
}

function afterSignal(state: SignalState, facts: ServiceFacts): ServiceStep {
  return state === 'stop-sigterm' || state === 'stop-sigkill' ? enterStopPost(facts) : enterDead(facts);
}

function enterStopPost(facts: ServiceFacts): ServiceStep {
  if (facts.spec.exec.ExecStopPost.length > 0) return run('ExecStopPost', 0, facts);
  return enterSignal('final-sigterm', facts);
}

function enterDead(facts: ServiceFacts, options: { readonly mayRestart: boolean } = MAY_RESTART): ServiceStep {
  const { result } = facts;
  const end = result === 'success' ? 'dead' : 'failed';
  const text = result === 'success' ? 'Deactivated successfully.' : `Failed with result '${result}'.`;
  const restarts = options.mayRestart && shouldRestart(facts.spec, facts);
  const actions: readonly ServiceAction[] = [say(text), { do: 'end', restarts }];
  return restarts ? { via: end, state: 'auto-restart', result, actions } : { state: end, result, actions };
}

const MAY_RESTART = { mayRestart: true };
const NO_RESTART = { mayRestart: false };

function reachesGroup({ spec: { kill } }: ServiceFacts, state: SignalState): boolean {
  return kill.mode === 'control-group' || (kill.mode === 'mixed' && isKilled(state));
}

/** True once every process has ended that this state waits for. */
function isAllGone(facts: ServiceFacts, state: SignalState): boolean {
  return !facts.main && !facts.control && !(reachesGroup(facts, state) && facts.isAnyLeft());
}

function signal(facts: ServiceFacts, state: SignalState, to: 'all' | 'newcomers'): ServiceAction {
  const { kill } = facts.spec;
  const polite = facts.isRestarting ? kill.restartSignal : kill.signal;
  return { do: 'signal', signal: isKilled(state) ? kill.finalSignal : polite, group: reachesGroup(facts, state), to };
}

// ---- stop is asked for, or a command cannot be run

/** A service that runs another command gets no ExecStop=, as in systemd. */
export function terminate(facts: ServiceFacts): ServiceStep {
  return enterSignal('stop-sigterm', facts);
}

/** The service says that it stops by itself. */
export function selfStop(facts: ServiceFacts): ServiceStep {
  return enter('stop-sigterm', facts);
}

export function cancel(facts: ServiceFacts): ServiceStep {
  return enter('dead', facts);
}

export function cannotRun(facts: ServiceFacts): ServiceStep {
  return enterSignal('stop-sigterm', blame(facts, 'resources'));
}

export function cannotClean(facts: ServiceFacts): ServiceStep {
  return enterSignal('final-sigterm', blame(facts, 'resources'));
}

// ---- processes end

/** The main process has ended during ExecStartPost= or ExecReload=: a stop follows once that command has ended too. */
export function mainGone(facts: ServiceFacts, { result }: EventOf<'main-ended'>): ServiceStep {
  const now = blame(facts, result);
  return facts.control ? stay(now) : enterStop(now);
}

export function mainStopped(facts: ServiceFacts, { result }: EventOf<'main-ended'>): ServiceStep {
  const now = blame(facts, result);
  return facts.control ? stay(now) : enterSignal('stop-sigterm', now);
}

export function stopEnded(facts: ServiceFacts, event: EventOf<'control-ended'>): ServiceStep {
  const now = blame(facts, event.result);
  return nextCommand(now, 'ExecStop', event) ?? enterSignal('stop-sigterm', now);
}

export function mainObeyed(facts: ServiceFacts, { result }: EventOf<'main-ended'>): ServiceStep {
  const now = blame(facts, result);
  return facts.control ? stay(now) : enterStopPost(now);
}

export function controlObeyed(facts: ServiceFacts, { result }: EventOf<'control-ended'>): ServiceStep {
  const now = blame(facts, result);
  return facts.main ? stay(now) : enterStopPost(now);
}

export function mainLeft(facts: ServiceFacts, { result }: EventOf<'main-ended'>): ServiceStep {
  const now = blame(facts, result);
  return facts.control ? stay(now) : enterSignal('final-sigterm', now);
}

export function stopPostEnded(facts: ServiceFacts, event: EventOf<'control-ended'>): ServiceStep {
  const now = blame(facts, event.result);
  return nextCommand(now, 'ExecStopPost', event) ?? enterSignal('final-sigterm', now);
}

export function lastEnded(
  facts: ServiceFacts,
  { result }: EventOf<'main-ended' | 'control-ended'>,
  state: SignalState,
): ServiceStep {
  return lookStop(blame(facts, result), undefined, state);
}

/** Signals the processes that have appeared since; goes on once none is left. */
export function lookStop(facts: ServiceFacts, _event: unknown, state: SignalState): ServiceStep {
  if (isAllGone(facts, state)) return afterSignal(state, facts);
  return facts.spec.kill.mode === 'none' ? stay(facts) : stay(facts, signal(facts, state, 'newcomers'));
}

// ---- time is over

/** ExecStop= has run longer than TimeoutStopSec=. */
export function stopLate(facts: ServiceFacts): ServiceStep {
  return after(enterSignal('stop-sigterm', blame(facts, 'timeout')), say('Stopping timed out. Terminating.'));
}

export function sigtermLate(facts: ServiceFacts, _event: unknown, state: SignalState): ServiceStep {
  const now = blame(facts, 'timeout');
  const text = (what: string) => say(`State '${state}' timed out. ${what}`);
  if (!facts.spec.kill.sendSigkill) {
    const end = state === 'stop-sigterm' ? enterStopPost(now) : enterDead(now, NO_RESTART);
    return after(end, text('Skipping SIGKILL.'));
  }
  return after(enterSignal(state === 'stop-sigterm' ? 'stop-sigkill' : 'final-sigkill', now), text('Killing.'));
}

export function sigkillLate(facts: ServiceFacts): ServiceStep {
  return after(enterStopPost(blame(facts, 'timeout')), say('Processes still around after SIGKILL. Ignoring.'));
}

export function stopPostLate(facts: ServiceFacts): ServiceStep {
  const text = 'stop-post operation timed out. Terminating.';
  return after(enterSignal('final-sigterm', blame(facts, 'timeout')), say(text));
}

export function lastLate(facts: ServiceFacts): ServiceStep {
  const text = 'Processes still around after final SIGKILL. Entering failed mode.';
  return after(enterDead(blame(facts, 'timeout'), NO_RESTART), say(text));
}

export function restart(facts: ServiceFacts): ServiceStep {
  return stay(facts, { do: 'restart' });
}

/** There were too many starts within StartLimitIntervalSec=. */
export function refuseStart(facts: ServiceFacts): ServiceStep {
  const now = blame(facts, 'start-limit-hit');
  return after(enterDead(now, NO_RESTART), say('Start request repeated too quickly.'));
}
