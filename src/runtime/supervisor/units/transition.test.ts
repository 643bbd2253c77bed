import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { ExecPhase } from '../spec/index.ts';
import {
  EVENT_TYPES,
  type EventType,
  type ServiceAction,
  type ServiceEvent,
  type ServiceFacts,
  type ServiceStep,
} from './service-step.ts';
import { SERVICE_STATES, type ServiceState } from './states.ts';
import { FACTS, specWith } from './test-service.ts';
import { next } from './transition.ts';

const TERM = 'signal 15 group → stop-sigterm';
const FINAL_TERM = 'signal 15 group → final-sigterm';

/**
 * What follows from an event in a state, of a service with one command in each directive and another process beside the
 * main one; whatever ends, ends well. In a cell that is not here the service stays and nothing is done.
 */
const CELLS: Readonly<Record<ServiceState, Readonly<Partial<Record<EventType, string>>>>> = {
  dead: { start: 'begin, ExecStartPre[0] → start-pre' },
  'start-pre': {
    stop: TERM,
    launched: '→ start-pre',
    'not-launched': `${TERM} (resources)`,
    'control-ended': 'ExecStart[0] → start',
    'timed-out': `"start-pre operation timed out. Terminating.", ${TERM} (timeout)`,
  },
  start: {
    stop: TERM,
    launched: 'ExecStartPost[0] → start-post',
    'not-launched': `${TERM} (resources)`,
    'main-ended': 'ExecStartPost[0] → start-post',
    'control-ended': 'ExecStartPost[0] → start-post',
    'timed-out': `"start operation timed out. Terminating.", ${TERM} (timeout)`,
  },
  'start-post': {
    stop: TERM,
    launched: '→ start-post',
    'not-launched': `${TERM} (resources)`,
    'main-ended': 'ExecStop[0] → stop',
    'control-ended': '→ running',
    'timed-out': `"start-post operation timed out. Terminating.", ${TERM} (timeout)`,
  },
  running: {
    stop: 'ExecStop[0] → stop',
    reload: 'ExecReload[0] → reload',
    stopping: '→ stop-sigterm',
    'main-ended':
      '"Main process exited, so what it has started ends, too; a program that goes into the background needs ' +
      'Type=forking.", ExecStop[0] → stop',
    'timed-out': '"Service reached runtime time limit. Stopping.", ExecStop[0] → stop (timeout)',
  },
  exited: { stop: 'ExecStop[0] → stop', reload: 'ExecReload[0] → reload' },
  reload: {
    stop: TERM,
    launched: '→ reload',
    'not-launched': '→ running',
    'main-ended': 'ExecStop[0] → stop',
    'control-ended': '→ running',
    'timed-out': '"Reload operation timed out. Killing reload process.", kill-control',
  },
  stop: {
    launched: '→ stop',
    'not-launched': `${TERM} (resources)`,
    'main-ended': TERM,
    'control-ended': TERM,
    'timed-out': `"Stopping timed out. Terminating.", ${TERM} (timeout)`,
  },
  'stop-sigterm': {
    'main-ended': 'ExecStopPost[0] → stop-post',
    'timed-out': `"State 'stop-sigterm' timed out. Killing.", signal 9 group → stop-sigkill (timeout)`,
    look: 'signal 15 group newcomers',
  },
  'stop-sigkill': {
    'main-ended': 'ExecStopPost[0] → stop-post',
    'timed-out': '"Processes still around after SIGKILL. Ignoring.", ExecStopPost[0] → stop-post (timeout)',
    look: 'signal 9 group newcomers',
  },
  'stop-post': {
    launched: '→ stop-post',
    'not-launched': `${FINAL_TERM} (resources)`,
    'main-ended': FINAL_TERM,
    'control-ended': FINAL_TERM,
    'timed-out': `"stop-post operation timed out. Terminating.", ${FINAL_TERM} (timeout)`,
  },
  'final-sigterm': {
    'main-ended': 'signal 15 group newcomers',
    'control-ended': 'signal 15 group newcomers',
    'timed-out': `"State 'final-sigterm' timed out. Killing.", signal 9 group → final-sigkill (timeout)`,
    look: 'signal 15 group newcomers',
  },
  'final-sigkill': {
    'main-ended': 'signal 9 group newcomers',
    'control-ended': 'signal 9 group newcomers',
    'timed-out':
      '"Processes still around after final SIGKILL. Entering failed mode.", ' +
      `"Failed with result 'timeout'.", end → failed (timeout)`,
    look: 'signal 9 group newcomers',
  },
  failed: { start: 'begin, ExecStartPre[0] → start-pre' },
  'auto-restart': { stop: '→ dead', 'timed-out': 'restart' },
};

const NONE = specWith({});
const NO_MAIN = { main: false, mainKnown: true };
const GONE = { main: false, isAnyLeft: () => false };
const FAILED = { result: 'exit-code' } as const;

/** Rules that depend on more: what they are, the state, the event, the facts, what follows. */
const RULES: readonly (readonly [
  rule: string,
  state: ServiceState,
  event: EventType | (Partial<ServiceEvent> & { readonly type: EventType }),
  facts: Partial<ServiceFacts>,
  step: string,
])[] = [
  // The way up.
  [
    'StartLimitBurst=',
    'failed',
    { type: 'start', tooOften: true },
    FAILED,
    `"Start request repeated too quickly.", "Failed with result 'exit-code'.", end → failed (exit-code)`,
  ],
  ['a start forgets how the last run ended', 'failed', 'start', { ...FAILED, ...NONE }, 'begin, ExecStart[0] → start'],
  ['several commands', 'start-pre', 'control-ended', specWith({ ExecStartPre: 2 }), 'ExecStartPre[1] → start-pre'],
  ['a command fails', 'start-pre', { type: 'control-ended', ...FAILED }, {}, `${TERM} (exit-code)`],
  ['Type=simple', 'start', 'launched', NONE, '→ running'],
  ...(['exec', 'oneshot', 'forking', 'notify'] as const).map(
    (type) => [`Type=${type} takes its time`, 'start', 'launched', specWith({}, { type }), '→ start'] as const,
  ),
  ['Type=exec: still the shell', 'start', 'look', specWith({}, { type: 'exec' }), ''],
  [
    'Type=exec: the program',
    'start',
    'look',
    { ...specWith({}, { type: 'exec' }), hasExecuted: () => true },
    '→ running',
  ],
  ['Type=notify: READY=1', 'start', 'ready', specWith({}, { type: 'notify' }), '→ running'],
  [
    'Type=notify: the end without READY=1',
    'start',
    'main-ended',
    specWith({}, { type: 'notify' }),
    `${TERM} (protocol)`,
  ],
  [
    'Type=oneshot: the next command',
    'start',
    'main-ended',
    specWith({ ExecStart: 2 }, { type: 'oneshot' }),
    'ExecStart[1] → start',
  ],
  [
    'Type=oneshot: the end',
    'start',
    'main-ended',
    { ...specWith({}, { type: 'oneshot' }), ...GONE },
    '"Deactivated successfully.", end → dead',
  ],
  [
    'Type=oneshot with RemainAfterExit=',
    'start',
    'main-ended',
    { ...specWith({}, { type: 'oneshot', remainAfterExit: true }), ...GONE },
    '→ exited',
  ],
  ['the main process fails in start', 'start', { type: 'main-ended', ...FAILED }, NONE, `${TERM} (exit-code)`],
  [
    'Type=forking: guessed',
    'start',
    'control-ended',
    { ...specWith({}, { type: 'forking' }), ...NO_MAIN, guessedPid: () => 7 },
    'adopt 7 → running',
  ],
  [
    'Type=forking: nobody to guess, but somebody is left',
    'start',
    'control-ended',
    { ...specWith({}, { type: 'forking' }), main: false, mainKnown: false },
    '→ running',
  ],
  [
    'Type=forking: PIDFile=',
    'start',
    'control-ended',
    { ...specWith({}, { type: 'forking', pidFile: '/run/x.pid' }), ...NO_MAIN, pidInFile: () => 7 },
    'adopt 7 → running',
  ],
  [
    'Type=forking: no PIDFile= yet',
    'start',
    'control-ended',
    { ...specWith({}, { type: 'forking', pidFile: '/run/x.pid' }), ...NO_MAIN },
    `"Can't open PID file /run/x.pid (yet?) after start: No such file or directory"`,
  ],
  [
    'Type=forking: PIDFile= at last',
    'start',
    'look',
    { ...specWith({}, { type: 'forking', pidFile: '/run/x.pid' }), ...NO_MAIN, pidInFile: () => 7 },
    'adopt 7 → running',
  ],
  [
    'Type=forking: no PIDFile=, and nobody left to write it',
    'start',
    'look',
    { ...specWith({}, { type: 'forking', pidFile: '/run/x.pid' }), ...GONE },
    `"Daemon never wrote its PID file. Failing.", "Failed with result 'protocol'.", end → failed (protocol)`,
  ],
  ['ExecStartPost= fails', 'start-post', { type: 'control-ended', ...FAILED }, {}, `${TERM} (exit-code)`],
  [
    'the main process ends during ExecStartPost=',
    'start-post',
    { type: 'main-ended', ...FAILED },
    { control: true },
    '(exit-code)',
  ],
  ['…whose end it then is', 'start-post', 'control-ended', { ...FAILED, ...NO_MAIN }, `${TERM} (exit-code)`],

  // Up.
  [
    'the main process fails',
    'running',
    { type: 'main-ended', ...FAILED },
    GONE,
    'ExecStopPost[0] → stop-post (exit-code)',
  ],
  ['RemainAfterExit=', 'running', 'main-ended', { ...specWith({}, { remainAfterExit: true }), ...GONE }, '→ exited'],
  ['an unknown main process lives', 'running', 'look', { main: false, mainKnown: false }, ''],
  ['an unknown main process is gone', 'running', 'look', { ...GONE, mainKnown: false }, 'ExecStop[0] → stop'],
  ['a late command of the start fails', 'running', { type: 'control-ended', ...FAILED }, {}, `${TERM} (exit-code)`],
  ['a reload that fails changes nothing', 'reload', { type: 'control-ended', ...FAILED }, {}, '→ running'],
  ['several commands of a reload', 'reload', 'control-ended', specWith({ ExecReload: 2 }), 'ExecReload[1] → reload'],
  [
    'a reload of what has exited',
    'reload',
    'control-ended',
    { ...specWith({}, { remainAfterExit: true }), ...GONE },
    '→ exited',
  ],
  ['the main process ends in a reload', 'reload', { type: 'main-ended', ...FAILED }, { control: true }, '(exit-code)'],

  // The way down.
  ['no ExecStop=', 'running', 'stop', NONE, TERM],
  ['nobody to signal', 'running', 'stop', { ...NONE, ...GONE }, '"Deactivated successfully.", end → dead'],
  ['several commands of a stop', 'stop', 'control-ended', specWith({ ExecStop: 2 }), 'ExecStop[1] → stop'],
  ['ExecStop= fails', 'stop', { type: 'control-ended', ...FAILED }, {}, `${TERM} (exit-code)`],
  ['the main process obeys ExecStop=', 'stop', 'main-ended', { control: true }, ''],
  ['a restart', 'running', 'stop', { ...NONE, isRestarting: true }, 'signal 1 group → stop-sigterm'],
  ['KillMode=process', 'running', 'stop', specWith({}, {}, { mode: 'process' }), 'signal 15 own → stop-sigterm'],
  ['KillMode=mixed asks', 'running', 'stop', specWith({}, {}, { mode: 'mixed' }), 'signal 15 own → stop-sigterm'],
  [
    'KillMode=mixed kills all',
    'running',
    'stop',
    { ...specWith({}, {}, { mode: 'mixed' }), main: false },
    'signal 9 group → stop-sigkill',
  ],
  ['KillMode=none', 'running', 'stop', specWith({}, {}, { mode: 'none' }), '"Deactivated successfully.", end → dead'],
  [
    'FinalKillSignal=',
    'stop-sigterm',
    'timed-out',
    specWith({}, {}, { finalSignal: 6 }),
    `"State 'stop-sigterm' timed out. Killing.", signal 6 group → stop-sigkill (timeout)`,
  ],
  [
    'SendSIGKILL=no',
    'stop-sigterm',
    'timed-out',
    specWith({ ExecStopPost: 1 }, {}, { sendSigkill: false }),
    `"State 'stop-sigterm' timed out. Skipping SIGKILL.", ExecStopPost[0] → stop-post (timeout)`,
  ],
  [
    'SendSIGKILL=no, to the end',
    'final-sigterm',
    'timed-out',
    specWith({}, { restart: 'always' }, { sendSigkill: false }),
    `"State 'final-sigterm' timed out. Skipping SIGKILL.", "Failed with result 'timeout'.", end → failed (timeout)`,
  ],
  ['somebody else is still there', 'stop-sigterm', 'look', { main: false }, 'signal 15 group newcomers'],
  ['all are gone', 'stop-sigterm', 'look', GONE, 'ExecStopPost[0] → stop-post'],
  ['the command ends before the main process', 'stop-sigterm', 'control-ended', {}, ''],
  ['the main process ends before the command', 'stop-sigterm', 'main-ended', { control: true }, ''],
  ['the command is the last', 'stop-sigkill', 'control-ended', { main: false }, 'ExecStopPost[0] → stop-post'],
  [
    'several commands after a stop',
    'stop-post',
    'control-ended',
    specWith({ ExecStopPost: 2 }),
    'ExecStopPost[1] → stop-post',
  ],
  ['nobody is left', 'stop-post', 'control-ended', GONE, '"Deactivated successfully.", end → dead'],
  ['the last one ends', 'final-sigkill', 'main-ended', GONE, '"Deactivated successfully.", end → dead'],
  [
    'the first failure is the result',
    'stop-post',
    { type: 'control-ended', ...FAILED },
    { ...GONE, result: 'timeout' },
    `"Failed with result 'timeout'.", end → failed (timeout)`,
  ],

  // And up again.
  [
    'Restart=',
    'final-sigterm',
    'look',
    { ...specWith({}, { restart: 'always' }), ...GONE },
    '"Deactivated successfully.", end, restarts → dead auto-restart',
  ],
  [
    'Restart= after a failure',
    'final-sigterm',
    'look',
    { ...specWith({}, { restart: 'on-failure' }), ...GONE, ...FAILED },
    `"Failed with result 'exit-code'.", end, restarts → failed auto-restart (exit-code)`,
  ],
  [
    'Restart= of what was to stop',
    'final-sigterm',
    'look',
    { ...specWith({}, { restart: 'always' }), ...GONE, stopRequested: true },
    '"Deactivated successfully.", end → dead',
  ],
];

const PHASE_OF: Partial<Record<ServiceState, ExecPhase>> = {
  'start-pre': 'ExecStartPre',
  start: 'ExecStart',
  'start-post': 'ExecStartPost',
  reload: 'ExecReload',
  stop: 'ExecStop',
  'stop-post': 'ExecStopPost',
};

/** An event of a kind; processes end well, and were the first command of the state's directive. */
function eventOf(type: EventType, state: ServiceState): ServiceEvent {
  if (type === 'start') return { type, tooOften: false };
  if (type === 'main-ended') return { type, index: 0, result: 'success' };
  if (type === 'control-ended') return { type, phase: PHASE_OF[state] ?? 'ExecReload', index: 0, result: 'success' };
  return { type };
}

/** `actions → state (result)`; a state on the way stands before it. */
function textOf({ state, via, result = 'success', actions }: ServiceStep): string {
  const states = [via, state].filter((one) => one !== undefined);
  const end = states.length === 0 ? '' : `→ ${states.join(' ')}`;
  return [actions.map(actionText).join(', '), end, result === 'success' ? '' : `(${result})`].filter(Boolean).join(' ');
}

function actionText(action: ServiceAction): string {
  switch (action.do) {
    case 'say':
      return `"${action.text}"`;
    case 'run':
      return `${action.phase}[${action.index}]`;
    case 'signal':
      return `signal ${action.signal} ${action.group ? 'group' : 'own'}${action.to === 'all' ? '' : ' newcomers'}`;
    case 'adopt-main':
      return `adopt ${action.pid}`;
    case 'end':
      return action.restarts ? 'end, restarts' : 'end';
    default:
      return action.do;
  }
}

function stepText(state: ServiceState, event: ServiceEvent, facts: Partial<ServiceFacts>): string {
  const main = event.type === 'main-ended' ? { main: false } : {};
  return textOf(next(state, event, { ...FACTS, ...main, ...facts }));
}

describe('what follows from an event in a state', () => {
  for (const state of SERVICE_STATES) {
    test(state, () => {
      const found = EVENT_TYPES.map((type) => [type, stepText(state, eventOf(type, state), {})]);
      const expected = EVENT_TYPES.map((type) => [type, CELLS[state][type] ?? '']);
      assert.deepEqual(Object.fromEntries(found), Object.fromEntries(expected));
    });
  }
});

describe('rules', () => {
  for (const [rule, state, given, facts, expected] of RULES) {
    const [type, rest] = typeof given === 'string' ? [given, {}] : [given.type, given];
    test(`${rule}: ${type} in ${state}`, () => {
      const event = { ...eventOf(type, state), ...rest } as ServiceEvent;
      assert.equal(stepText(state, event, facts), expected);
    });
  }
});
