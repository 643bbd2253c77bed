import type { ExecCommand } from './exec-command.ts';
import { NO_EXITS } from './exit-status.ts';
import type { ExpandSpecifiers } from './specifiers.ts';
import {
  DEPENDENCIES,
  type Dependency,
  EXEC_PHASES,
  type ExecContext,
  type ExecPhase,
  type KillSpec,
  type ResourceLimit,
  type ServiceSpec,
  type UnitSpec,
} from './unit-spec.ts';
import { parseSignal } from './values.ts';

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** A unit whose file is being read, with systemd's defaults for everything not set yet. */
export interface UnitDraft {
  readonly expand: ExpandSpecifiers;
  readonly notes: string[];
  readonly dependencies: Record<Dependency, string[]>;
  readonly unit: Mutable<Omit<UnitSpec, 'dependencies' | 'notes' | 'service' | 'startLimit'>>;
  readonly startLimit: { intervalMs: number; burst: number };
  readonly service: Mutable<Omit<ServiceSpec, 'exec' | 'kill' | 'context' | 'timeoutStartMs'>> & {
    /** Undefined until the type is known, which decides the default. */
    timeoutStartMs: number | undefined;
  };
  readonly exec: Record<ExecPhase, ExecCommand[]>;
  readonly kill: Mutable<Omit<KillSpec, 'restartSignal'>> & { restartSignal: number | undefined };
  readonly context: Mutable<ExecContext>;
  readonly limits: Map<string, ResourceLimit>;
}

const DEFAULT_TIMEOUT_MS = 90_000;

export function newDraft(name: string, expand: ExpandSpecifiers): UnitDraft {
  return {
    expand,
    notes: [],
    dependencies: Object.fromEntries(DEPENDENCIES.map((kind) => [kind, []])) as unknown as Record<Dependency, string[]>,
    unit: {
      name,
      kind: name.endsWith('.target') ? 'target' : 'service',
      description: name,
      documentation: [],
      defaultDependencies: true,
      refuseManualStart: false,
      jobTimeoutMs: Number.POSITIVE_INFINITY,
    },
    startLimit: { intervalMs: 10_000, burst: 5 },
    service: {
      type: 'simple',
      remainAfterExit: false,
      guessMainPid: true,
      restart: 'no',
      restartMs: 100,
      successExit: NO_EXITS,
      restartPreventExit: NO_EXITS,
      restartForceExit: NO_EXITS,
      timeoutStartMs: undefined,
      timeoutStopMs: DEFAULT_TIMEOUT_MS,
      runtimeMaxMs: Number.POSITIVE_INFINITY,
    },
    exec: Object.fromEntries(EXEC_PHASES.map((phase) => [phase, []])) as unknown as Record<ExecPhase, ExecCommand[]>,
    kill: {
      mode: 'control-group',
      signal: parseSignal('TERM')!,
      restartSignal: undefined,
      finalSignal: parseSignal('KILL')!,
      sendSigkill: true,
      sendSighup: false,
    },
    context: {
      environment: [],
      environmentFiles: [],
      unsetEnvironment: [],
      supplementaryGroups: [],
      noNewPrivileges: false,
      ignoreSigpipe: true,
      limits: [],
      stdout: { to: 'journal' },
      stderr: { to: 'inherit' },
    },
    limits: new Map(),
  };
}

/** Returns the finished unit. Throws a RangeError when its parts contradict each other. */
export function finishDraft(draft: UnitDraft): UnitSpec {
  const dependencies = draft.unit.kind === 'target' ? targetDependencies(draft) : draft.dependencies;
  const spec = { ...draft.unit, dependencies, startLimit: draft.startLimit, notes: draft.notes };
  return draft.unit.kind === 'target' ? spec : { ...spec, service: finishService(draft) };
}

/** A target comes after the units that it pulls in, unless they are ordered otherwise; systemd.target(5). */
function targetDependencies(draft: UnitDraft): UnitDraft['dependencies'] {
  const { dependencies } = draft;
  if (!draft.unit.defaultDependencies) return dependencies;
  const pulled = [...dependencies.Requires, ...dependencies.Wants].filter(
    (name) => !dependencies.Before.includes(name),
  );
  return { ...dependencies, After: [...new Set([...dependencies.After, ...pulled])] };
}

function finishService(draft: UnitDraft): ServiceSpec {
  const { service, exec, kill } = draft;
  checkService(draft);
  return {
    ...service,
    // A oneshot has no limit by default: its work may take any time.
    timeoutStartMs:
      service.timeoutStartMs ?? (service.type === 'oneshot' ? Number.POSITIVE_INFINITY : DEFAULT_TIMEOUT_MS),
    exec,
    kill: { ...kill, restartSignal: kill.restartSignal ?? kill.signal },
    context: { ...draft.context, limits: [...draft.limits.values()] },
  };
}

function checkService({ service, exec, notes }: UnitDraft): void {
  const ignored = notes.filter((note) => note.startsWith('ExecStart= ')).map((note) => `; ${note}`);
  const missing = (sentence: string) => new RangeError([sentence, ...ignored].join(''));
  const oneshot = service.type === 'oneshot';
  if (exec.ExecStart.length === 0 && exec.ExecStop.length === 0)
    throw missing('it has neither ExecStart= nor ExecStop=');
  if (!oneshot && exec.ExecStart.length === 0) throw missing(`it has no ExecStart=, which Type=${service.type} needs`);
  if (exec.ExecStart.length === 0 && !service.remainAfterExit) {
    throw missing('it has no ExecStart=, and without RemainAfterExit=yes there is nothing to start');
  }
  if (!oneshot && exec.ExecStart.length > 1) {
    throw new RangeError('it has more than one ExecStart=, which only Type=oneshot may have');
  }
  if (oneshot && (service.restart === 'always' || service.restart === 'on-success')) {
    throw new RangeError(`Restart=${service.restart} is not allowed for Type=oneshot`);
  }
}
