import {
  EVENT_TYPES,
  type EventOf,
  type EventType,
  enter,
  type ServiceEvent,
  type ServiceFacts,
  type ServiceStep,
  STAY,
} from './service-step.ts';
import type { ServiceState } from './states.ts';
import {
  cancel,
  cannotClean,
  cannotRun,
  controlObeyed,
  enterStop,
  lastEnded,
  lastLate,
  lookStop,
  mainGone,
  mainLeft,
  mainObeyed,
  mainStopped,
  restart,
  selfStop,
  sigkillLate,
  sigtermLate,
  stopEnded,
  stopLate,
  stopPostEnded,
  stopPostLate,
  terminate,
} from './way-down.ts';
import {
  cannotReload,
  launched,
  lookRun,
  lookStart,
  mainEnded,
  mainOfStart,
  noteMain,
  postEnded,
  preEnded,
  ready,
  reload,
  reloadEnded,
  reloadLate,
  runLate,
  start,
  startEnded,
  startLate,
  strayEnded,
} from './way-up.ts';

/** Decides what follows from one kind of event in one state. */
type Cell<S extends ServiceState, T extends EventType> = (
  facts: ServiceFacts,
  event: EventOf<T>,
  state: S,
) => ServiceStep;

/** One cell for each event, in the order of EVENT_TYPES: a row that lacks one does not compile. */
type Row<S extends ServiceState, T extends readonly EventType[] = typeof EVENT_TYPES> = {
  readonly [I in keyof T]: Cell<S, T[I]>;
};

/** Nothing follows. */
const _ = () => STAY;
/** The launched command's state begins. */
const begin = (facts: ServiceFacts, _event: unknown, state: ServiceState) => enter(state, facts);

/**
 * The life of a service, state by event, to be read beside systemd's service.c
 * (https://github.com/systemd/systemd/blob/v252/src/core/service.c). The rows are its states, in its order. The columns are
 * service_start(), service_stop(), service_reload(), service_notify_message() (two), the outcome of service_spawn() (two),
 * service_sigchld_event() (two), service_dispatch_timer(), and our regular look, where systemd has cgroup events and inotify.
 * In the cells with `_` the event changes nothing.
 */
// biome-ignore format: a table
const TABLE: { readonly [S in ServiceState]: Row<S> } = {
  //                 start  stop       reload  ready  stopping  launched  not-launched  main-ended   control-ended  timed-out     look
  dead:            [ start, _,         _,      _,     _,        _,        _,            _,           _,             _,            _          ],
  'start-pre':     [ _,     terminate, _,      _,     _,        begin,    cannotRun,    noteMain,    preEnded,      startLate,    _          ],
  start:           [ _,     terminate, _,      ready, _,        launched, cannotRun,    mainOfStart, startEnded,    startLate,    lookStart  ],
  'start-post':    [ _,     terminate, _,      _,     _,        begin,    cannotRun,    mainGone,    postEnded,     startLate,    _          ],
  running:         [ _,     enterStop, reload, _,     selfStop, _,        _,            mainEnded,   strayEnded,    runLate,      lookRun    ],
  exited:          [ _,     enterStop, reload, _,     _,        _,        _,            noteMain,    strayEnded,    _,            _          ],
  reload:          [ _,     terminate, _,      _,     _,        begin,    cannotReload, mainGone,    reloadEnded,   reloadLate,   _          ],
  stop:            [ _,     _,         _,      _,     _,        begin,    cannotRun,    mainStopped, stopEnded,     stopLate,     _          ],
  'stop-sigterm':  [ _,     _,         _,      _,     _,        _,        _,            mainObeyed,  controlObeyed, sigtermLate,  lookStop   ],
  'stop-sigkill':  [ _,     _,         _,      _,     _,        _,        _,            mainObeyed,  controlObeyed, sigkillLate,  lookStop   ],
  'stop-post':     [ _,     _,         _,      _,     _,        begin,    cannotClean,  mainLeft,    stopPostEnded, stopPostLate, _          ],
  'final-sigterm': [ _,     _,         _,      _,     _,        _,        _,            lastEnded,   lastEnded,     sigtermLate,  lookStop   ],
  'final-sigkill': [ _,     _,         _,      _,     _,        _,        _,            lastEnded,   lastEnded,     lastLate,     lookStop   ],
  failed:          [ start, _,         _,      _,     _,        _,        _,            _,           _,             _,            _          ],
  'auto-restart':  [ _,     cancel,    _,      _,     _,        _,        _,            _,           _,             restart,      _          ],
};

/** Returns what follows from an event. Does nothing itself, and knows nothing but its arguments. */
export function next(state: ServiceState, event: ServiceEvent, facts: ServiceFacts): ServiceStep {
  const cell = TABLE[state][EVENT_TYPES.indexOf(event.type)] as Cell<ServiceState, EventType>;
  return cell(facts, event, state);
}
