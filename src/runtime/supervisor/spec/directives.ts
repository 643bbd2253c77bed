import type { SERVICE_LINES, UNIT_LINES } from './directive-lines.ts';
import type { UnitDraft } from './draft.ts';
import { parseEnvironment, wordsOf } from './environment.ts';
import { parseExecLine } from './exec-command.ts';
import { type ExitSet, NO_EXITS, parseExitWord } from './exit-status.ts';
import { UnknownSpecifier } from './specifiers.ts';
import { DEPENDENCIES, type Dependency, EXEC_PHASES, type Output } from './unit-spec.ts';
import { parseBoolean, parseSignal, parseTimeSpanMs } from './values.ts';

/** Reads one directive into the draft. Throws a RangeError with the reason for an invalid value. */
export type Directive = (draft: UnitDraft, value: string) => void;

const dependency =
  (kind: Dependency): Directive =>
  (draft, value) => {
    if (value === '') draft.dependencies[kind] = [];
    for (const word of wordsOf(value)) {
      const name = draft.expand(word);
      if (!draft.dependencies[kind].includes(name)) draft.dependencies[kind].push(name);
    }
  };

/** A directive without a line in `UNIT_LINES` does not compile, nor a line without a directive. */
export const UNIT_DIRECTIVES: Readonly<Record<keyof typeof UNIT_LINES, Directive>> = {
  ...tableOf(DEPENDENCIES, dependency),
  BindTo: dependency('BindsTo'),
  RequiresOverridable: dependency('Requires'),
  RequisiteOverridable: dependency('Requisite'),
  Description: (draft, value) => {
    if (value === '') draft.unit.description = draft.unit.name;
    else for (const text of unlessUnknown(draft, value)) draft.unit.description = text;
  },
  Documentation: (draft, value) => {
    draft.unit.documentation = value === '' ? [] : [...draft.unit.documentation, ...wordsOf(draft.expand(value))];
  },
  DefaultDependencies: (draft, value) => {
    draft.unit.defaultDependencies = boolean(value);
  },
  RefuseManualStart: (draft, value) => {
    draft.unit.refuseManualStart = boolean(value);
  },
  JobTimeoutSec: (draft, value) => {
    draft.unit.jobTimeoutMs = timeoutMs(value);
  },
  StartLimitIntervalSec: startLimitInterval,
  StartLimitInterval: startLimitInterval,
  StartLimitBurst: startLimitBurst,
};

function startLimitInterval(draft: UnitDraft, value: string): void {
  draft.startLimit.intervalMs = timeSpan(value);
}

function startLimitBurst(draft: UnitDraft, value: string): void {
  draft.startLimit.burst = integer(value, 0, 0xffffffff);
}

/** Limits by directive: the letter of the shell's ulimit and the bytes of its unit. */
const LIMITS = {
  LimitCPU: ['t', 1],
  LimitFSIZE: ['f', 512],
  LimitDATA: ['d', 1024],
  LimitSTACK: ['s', 1024],
  LimitCORE: ['c', 512],
  LimitRSS: ['m', 1024],
  LimitNOFILE: ['n', 1],
  LimitAS: ['v', 1024],
  LimitNPROC: ['p', 1],
  LimitMEMLOCK: ['l', 1024],
  LimitLOCKS: ['w', 1],
  LimitRTPRIO: ['r', 1],
} as const;

export const SERVICE_DIRECTIVES: Readonly<Record<keyof typeof SERVICE_LINES, Directive>> = {
  ...tableOf(EXEC_PHASES, (phase) => (draft, value) => {
    if (value === '') {
      draft.exec[phase] = [];
      return;
    }
    const { commands, ignored } = parseExecLine(value, draft.expand);
    draft.exec[phase].push(...commands);
    if (ignored !== undefined) draft.notes.push(`${phase}= ignores ${ignored}`);
  }),
  // idle differs from simple only in when it begins to write to a console.
  Type: (draft, value) => {
    draft.service.type =
      value === 'idle' ? 'simple' : oneOf(value, ['simple', 'exec', 'oneshot', 'forking', 'notify'] as const);
  },
  RemainAfterExit: (draft, value) => {
    draft.service.remainAfterExit = boolean(value);
  },
  GuessMainPID: (draft, value) => {
    draft.service.guessMainPid = boolean(value);
  },
  Restart: (draft, value) => {
    const policies = ['no', 'always', 'on-success', 'on-failure', 'on-abnormal', 'on-abort', 'on-watchdog'] as const;
    draft.service.restart = oneOf(value, policies);
  },
  RestartSec: (draft, value) => {
    draft.service.restartMs = timeSpan(value);
  },
  TimeoutSec: (draft, value) => {
    draft.service.timeoutStartMs = timeoutMs(value);
    draft.service.timeoutStopMs = timeoutMs(value);
  },
  TimeoutStartSec: (draft, value) => {
    draft.service.timeoutStartMs = timeoutMs(value);
  },
  TimeoutStopSec: (draft, value) => {
    draft.service.timeoutStopMs = timeoutMs(value);
  },
  RuntimeMaxSec: (draft, value) => {
    draft.service.runtimeMaxMs = timeoutMs(value);
  },
  // Accepted in [Service], where it stood before systemd 230.
  StartLimitInterval: startLimitInterval,
  StartLimitIntervalSec: startLimitInterval,
  StartLimitBurst: startLimitBurst,
  SuccessExitStatus: (draft, value) => {
    draft.service.successExit = exitSet(draft.service.successExit, value);
  },
  RestartPreventExitStatus: (draft, value) => {
    draft.service.restartPreventExit = exitSet(draft.service.restartPreventExit, value);
  },
  RestartForceExitStatus: (draft, value) => {
    draft.service.restartForceExit = exitSet(draft.service.restartForceExit, value);
  },
  PIDFile: (draft, value) => {
    if (value === '') delete draft.service.pidFile;
    else draft.service.pidFile = absoluteUnder('/run', draft.expand(value));
  },
  KillMode: (draft, value) => {
    draft.kill.mode = oneOf(value, ['control-group', 'mixed', 'process', 'none'] as const);
  },
  KillSignal: (draft, value) => {
    draft.kill.signal = signal(value);
  },
  RestartKillSignal: (draft, value) => {
    draft.kill.restartSignal = signal(value);
  },
  FinalKillSignal: (draft, value) => {
    draft.kill.finalSignal = signal(value);
  },
  SendSIGKILL: (draft, value) => {
    draft.kill.sendSigkill = boolean(value);
  },
  SendSIGHUP: (draft, value) => {
    draft.kill.sendSighup = boolean(value);
  },
  Environment: (draft, value) => {
    if (value === '') draft.context.environment = [];
    const words = wordsOf(value).flatMap((word) => unlessUnknown(draft, word));
    const { assignments, invalid } = parseEnvironment(words);
    for (const word of invalid) draft.notes.push(`Invalid environment assignment, ignoring: ${word}`);
    draft.context.environment = [...draft.context.environment, ...assignments];
  },
  EnvironmentFile: (draft, value) => {
    const optional = value.startsWith('-');
    const path = draft.expand(value.slice(optional ? 1 : 0));
    if (value !== '' && !path.startsWith('/')) throw new RangeError(`takes an absolute path, not "${path}"`);
    draft.context.environmentFiles = value === '' ? [] : [...draft.context.environmentFiles, { path, optional }];
  },
  UnsetEnvironment: (draft, value) => {
    draft.context.unsetEnvironment =
      value === '' ? [] : [...draft.context.unsetEnvironment, ...wordsOf(value).map(draft.expand)];
  },
  // Passes nothing, and says so: the supervisor's own environment is no concern of its units.
  PassEnvironment: (draft, value) => {
    if (value !== '') draft.notes.push(`PassEnvironment=${value} passes nothing: the supervisor has no such variables`);
  },
  WorkingDirectory: (draft, value) => {
    const optional = value.startsWith('-');
    const path = draft.expand(value.slice(optional ? 1 : 0));
    if (value === '') delete draft.context.workingDirectory;
    else if (path === '~' || path.startsWith('/')) draft.context.workingDirectory = { path, optional };
    else throw new RangeError(`takes an absolute path or "~", not "${path}"`);
  },
  User: (draft, value) => {
    if (value === '') delete draft.context.user;
    else draft.context.user = draft.expand(value);
  },
  Group: (draft, value) => {
    if (value === '') delete draft.context.group;
    else draft.context.group = draft.expand(value);
  },
  SupplementaryGroups: (draft, value) => {
    draft.context.supplementaryGroups =
      value === '' ? [] : [...draft.context.supplementaryGroups, ...wordsOf(value).map(draft.expand)];
  },
  UMask: (draft, value) => {
    if (!/^0?[0-7]{1,4}$/.test(value)) throw new RangeError(`takes an octal number, not "${value}"`);
    draft.context.umask = Number.parseInt(value, 8) & 0o777;
  },
  Nice: (draft, value) => {
    draft.context.nice = integer(value, -20, 19);
  },
  OOMScoreAdjust: (draft, value) => {
    draft.context.oomScoreAdjust = integer(value, -1000, 1000);
  },
  NoNewPrivileges: (draft, value) => {
    draft.context.noNewPrivileges = boolean(value);
  },
  IgnoreSIGPIPE: (draft, value) => {
    draft.context.ignoreSigpipe = boolean(value);
  },
  StandardOutput: (draft, value) => {
    draft.context.stdout = output(draft.expand(value || 'journal'));
    // The only input to inherit is /dev/null.
    if (draft.context.stdout.to === 'inherit') draft.context.stdout = { to: 'null' };
  },
  StandardError: (draft, value) => {
    draft.context.stderr = output(draft.expand(value || 'inherit'));
  },
  SyslogIdentifier: (draft, value) => {
    if (value === '') delete draft.context.syslogIdentifier;
    else draft.context.syslogIdentifier = draft.expand(value);
  },
  ...limitDirectives(),
};

/**
 * Returns the text with its specifiers expanded; for an unknown specifier an empty list and a note, as systemd ignores
 * it.
 */
function unlessUnknown(draft: UnitDraft, text: string): readonly string[] {
  try {
    return [draft.expand(text)];
  } catch (error) {
    if (!(error instanceof UnknownSpecifier)) throw error;
    draft.notes.push(`Failed to resolve unit specifiers in ${text}, ignoring: ${error.message}`);
    return [];
  }
}

function limitDirectives(): Readonly<Record<keyof typeof LIMITS, Directive>> {
  return tableOf(Object.keys(LIMITS) as (keyof typeof LIMITS)[], (name) => (draft, value) => {
    const [letter, unitBytes] = LIMITS[name];
    const [soft, hard] = value.split(':') as [string, string | undefined];
    const read = (text: string) => limitValue(text, name, unitBytes);
    if (value === '') draft.limits.delete(letter);
    else draft.limits.set(letter, { letter, soft: read(soft), hard: read(hard ?? soft) });
  });
}

/** Makes a table with a row for each name. */
function tableOf<K extends string>(names: readonly K[], row: (name: K) => Directive): Readonly<Record<K, Directive>> {
  return Object.fromEntries(names.map((name) => [name, row(name)])) as Record<K, Directive>;
}

const SIZES: Readonly<Record<string, number>> = { '': 1, K: 1024, M: 1024 ** 2, G: 1024 ** 3, T: 1024 ** 4 };

function limitValue(text: string, name: string, unitBytes: number): string {
  const trimmed = text.trim();
  if (trimmed === 'infinity') return 'unlimited';
  if (name === 'LimitCPU') {
    const spanMs = parseTimeSpanMs(trimmed);
    if (spanMs === undefined) throw new RangeError(`takes a number of seconds, not "${text}"`);
    return String(Math.ceil(spanMs / 1000));
  }
  const size = /^(\d+)([KMGT]?)$/.exec(trimmed);
  if (size === null) throw new RangeError(`takes a number or "infinity", not "${text}"`);
  return String(Math.ceil((Number(size[1]) * SIZES[size[2]!]!) / unitBytes));
}

function exitSet(before: ExitSet, value: string): ExitSet {
  if (value === '') return NO_EXITS;
  const statuses = [...before.statuses];
  const signals = [...before.signals];
  for (const word of wordsOf(value)) {
    const exit = parseExitWord(word);
    if (exit === undefined) throw new RangeError(`takes exit statuses and signals, not "${word}"`);
    (exit.kind === 'status' ? statuses : signals).push(exit.value);
  }
  return { statuses, signals };
}

function output(value: string): Output {
  const [kind, path] = [value.split(':')[0]!, value.slice(value.indexOf(':') + 1)];
  if (kind === 'null' || kind === 'inherit' || kind === 'journal') return { to: kind };
  // Each unit has one log; nothing is copied to a console.
  if (kind === 'syslog' || kind === 'kmsg') return { to: 'journal' };
  if (kind === 'file' || kind === 'append' || kind === 'truncate') {
    if (!path.startsWith('/')) throw new RangeError(`takes an absolute path after "${kind}:"`);
    return { to: kind, path };
  }
  throw new RangeError(`"${value}" needs systemd`);
}

/** 0 disables a timeout, as "infinity" does. */
function timeoutMs(value: string): number {
  return timeSpan(value) || Number.POSITIVE_INFINITY;
}

function timeSpan(value: string): number {
  const ms = parseTimeSpanMs(value);
  if (ms === undefined) throw new RangeError(`takes a time span such as 5, 1min 30s or infinity, not "${value}"`);
  return ms;
}

function boolean(value: string): boolean {
  const answer = parseBoolean(value);
  if (answer === undefined) throw new RangeError(`takes yes or no, not "${value}"`);
  return answer;
}

function integer(value: string, min: number, max: number): number {
  const number = Number(value);
  if (!/^[+-]?\d+$/.test(value) || number < min || number > max) {
    throw new RangeError(`takes a whole number from ${min} to ${max}, not "${value}"`);
  }
  return number;
}

function signal(value: string): number {
  const number = parseSignal(value);
  if (number === undefined) throw new RangeError(`takes a signal, not "${value}"`);
  return number;
}

function oneOf<T extends string>(value: string, allowed: readonly T[]): T {
  const found = allowed.find((word) => word === value);
  if (found === undefined)
    throw new RangeError(`takes one of ${allowed.join(', ')} here, not "${value}" (needs systemd)`);
  return found;
}

function absoluteUnder(directory: string, path: string): string {
  return path.startsWith('/') ? path : `${directory}/${path}`;
}
