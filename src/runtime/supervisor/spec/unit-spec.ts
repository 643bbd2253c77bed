import type { ExecCommand } from './exec-command.ts';
import type { ExitSet } from './exit-status.ts';

export type ServiceType = 'simple' | 'exec' | 'oneshot' | 'forking' | 'notify';
export type RestartPolicy = 'no' | 'always' | 'on-success' | 'on-failure' | 'on-abnormal' | 'on-abort' | 'on-watchdog';
export type KillMode = 'control-group' | 'mixed' | 'process' | 'none';

export const EXEC_PHASES = [
  'ExecStartPre',
  'ExecStart',
  'ExecStartPost',
  'ExecReload',
  'ExecStop',
  'ExecStopPost',
] as const;
export type ExecPhase = (typeof EXEC_PHASES)[number];

/** Directives that name other units; names that are not held here are ignored when they are needed. */
export const DEPENDENCIES = [
  'Requires',
  'Requisite',
  'Wants',
  'BindsTo',
  'PartOf',
  'After',
  'Before',
  'Conflicts',
  'OnFailure',
  'OnSuccess',
] as const;
export type Dependency = (typeof DEPENDENCIES)[number];

/** The destination of a stream: the unit's log, nothing, the destination of stdout, or a file. */
export type Output =
  | { readonly to: 'journal' | 'null' | 'inherit' }
  | { readonly to: 'file' | 'append' | 'truncate'; readonly path: string };

/** A parsed unit: specifiers expanded, defaults filled in, times in milliseconds. */
export interface UnitSpec {
  readonly name: string;
  readonly kind: 'service' | 'target';
  /** Description=, or the unit's name. */
  readonly description: string;
  readonly documentation: readonly string[];
  readonly dependencies: Readonly<Record<Dependency, readonly string[]>>;
  readonly defaultDependencies: boolean;
  readonly refuseManualStart: boolean;
  readonly startLimit: { readonly intervalMs: number; readonly burst: number };
  readonly jobTimeoutMs: number;
  /** Notes on this file for the user, one sentence each; written to the unit's log when it is loaded. */
  readonly notes: readonly string[];
  /** Absent for a target. */
  readonly service?: ServiceSpec;
}

export interface ServiceSpec {
  readonly type: ServiceType;
  readonly remainAfterExit: boolean;
  readonly guessMainPid: boolean;
  readonly exec: Readonly<Record<ExecPhase, readonly ExecCommand[]>>;
  readonly restart: RestartPolicy;
  readonly restartMs: number;
  readonly successExit: ExitSet;
  readonly restartPreventExit: ExitSet;
  readonly restartForceExit: ExitSet;
  /** Infinity means no limit, here and in the other times. */
  readonly timeoutStartMs: number;
  readonly timeoutStopMs: number;
  readonly runtimeMaxMs: number;
  readonly pidFile?: string;
  readonly kill: KillSpec;
  readonly context: ExecContext;
}

export interface KillSpec {
  readonly mode: KillMode;
  readonly signal: number;
  readonly restartSignal: number;
  readonly finalSignal: number;
  readonly sendSigkill: boolean;
  readonly sendSighup: boolean;
}

/** The surroundings of a unit's processes. */
export interface ExecContext {
  readonly environment: readonly (readonly [string, string])[];
  readonly environmentFiles: readonly { readonly path: string; readonly optional: boolean }[];
  readonly unsetEnvironment: readonly string[];
  /** `~` means the home of the unit's user. */
  readonly workingDirectory?: { readonly path: string; readonly optional: boolean };
  readonly user?: string;
  readonly group?: string;
  readonly supplementaryGroups: readonly string[];
  readonly umask?: number;
  readonly nice?: number;
  readonly oomScoreAdjust?: number;
  readonly noNewPrivileges: boolean;
  readonly ignoreSigpipe: boolean;
  /** The letter of the shell's `ulimit`, with soft and hard values in its unit. */
  readonly limits: readonly ResourceLimit[];
  readonly stdout: Output;
  readonly stderr: Output;
  readonly syslogIdentifier?: string;
}

export interface ResourceLimit {
  readonly letter: string;
  readonly soft: string;
  readonly hard: string;
}
