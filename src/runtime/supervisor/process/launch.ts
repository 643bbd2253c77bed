import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync, statSync } from 'node:fs';
import { getPriority } from 'node:os';
import { EXIT_STATUS, type ExecContext, type ExecStep, type ResourceLimit } from '../spec/index.ts';
import { type Account, findGroup, findUser, groupsOf } from './accounts.ts';
import { findExecutable } from './executables.ts';

/** A program could not be run: the failed step and the reason, in systemd's words. */
export class LaunchFailure extends Error {
  readonly step: ExecStep;
  constructor(step: ExecStep, message: string) {
    super(message);
    this.step = step;
  }
}

export interface LaunchPlan {
  /** The name of the process until it executes the program, as in systemd: `(sleep)`. */
  readonly title: string;
  readonly script: string;
  readonly argv: readonly string[];
  readonly directory: string;
}

export interface LaunchRequest {
  readonly path: string;
  readonly args: readonly string[];
  readonly argv0: string | undefined;
  /** True when User= and Group= do not apply. */
  readonly privileged: boolean;
  readonly context: ExecContext;
  /** Path of the control group's cgroup.procs. */
  readonly entry: string | undefined;
  /** True when the unit sets $PWD itself. */
  readonly keepPwd: boolean;
}

/** Plans the start of a program. Throws LaunchFailure when it is certain that it cannot be run. */
export function planLaunch(request: LaunchRequest): LaunchPlan {
  const { context } = request;
  const user = context.user === undefined ? undefined : userOf(context.user);
  const directory = workingDirectory(context, user);
  const found = findExecutable(request.path);
  if ('problem' in found) throw new LaunchFailure('EXEC', found.problem);
  const program = withArgv0(found.path, request.argv0);
  return {
    title: `(${request.path.slice(request.path.lastIndexOf('/') + 1)})`.slice(0, 15),
    script: trampoline(request),
    argv: [...niceness(context), ...privileges(request, user), ...program, ...request.args],
    directory,
  };
}

/** Plans a process that ends at once with the status of the failed step, so that a failure takes the usual course. */
export function planFailure(step: ExecStep, entry: string | undefined): LaunchPlan {
  return { title: '(failed)', script: `${enterGroup(entry)}exit ${EXIT_STATUS[step]}`, argv: [], directory: '/' };
}

/**
 * Starts a planned program in a session of its own. A shell in between does what Node cannot, in the process itself,
 * and then execs the program: the pid stays, and no instruction of the unit runs outside of its group.
 */
export function launch(
  plan: LaunchPlan,
  environment: Readonly<Record<string, string>>,
  stdio: readonly [number | 'ignore', number | 'ignore'],
): ChildProcess {
  return spawn('/bin/sh', ['-c', plan.script, plan.title, ...plan.argv], {
    argv0: plan.title,
    cwd: plan.directory,
    detached: true,
    env: environment as NodeJS.ProcessEnv,
    stdio: ['ignore', ...stdio],
  });
}

const DEFAULT_NOFILE: ResourceLimit = { letter: 'n', soft: '1024', hard: '' };

function trampoline({ entry, context, keepPwd }: LaunchRequest): string {
  const { umask, oomScoreAdjust, limits } = context;
  const lines = [enterGroup(entry)];
  if (oomScoreAdjust !== undefined)
    lines.push(orFail(`echo ${oomScoreAdjust} >/proc/self/oom_score_adj`, 'OOM_ADJUST'));
  if (umask !== undefined) lines.push(`umask ${umask.toString(8)};`);
  // Node raises its own limit of open files to the hard one; a unit starts with systemd's default.
  if (!limits.some((limit) => limit.letter === 'n')) lines.push(setLimit(DEFAULT_NOFILE));
  for (const limit of limits) lines.push(setLimit(limit));
  if (context.ignoreSigpipe) lines.push(`trap '' PIPE;`);
  if (!keepPwd) lines.push('unset PWD OLDPWD;');
  lines.push('export SYSTEMD_EXEC_PID=$$; exec "$@"');
  return lines.join('');
}

function enterGroup(entry: string | undefined): string {
  return entry === undefined ? '' : orFail(`echo 0 >${quote(entry)}`, 'CGROUP');
}

/** As in systemd, a value above the hard limit of an unprivileged supervisor is lowered to that. */
function setLimit({ letter, soft, hard }: ResourceLimit): string {
  if (hard === '') return `ulimit -S -${letter} ${soft} 2>/dev/null;`;
  const wanted = finite(letter, hard);
  const both = orFail(`ulimit -${letter} ${wanted} 2>/dev/null||ulimit -${letter} "$(ulimit -H -${letter})"`, 'LIMITS');
  return soft === hard ? both : both + orFail(`ulimit -S -${letter} ${finite(letter, soft)}`, 'LIMITS');
}

/** RLIMIT_NOFILE has no infinity: the kernel's maximum stands for it. */
function finite(letter: string, value: string): string {
  return letter === 'n' && value === 'unlimited' ? readFileSync('/proc/sys/fs/nr_open', 'utf8').trim() : value;
}

function orFail(command: string, step: ExecStep): string {
  return `${command}||exit ${EXIT_STATUS[step]};`;
}

function quote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

function workingDirectory(context: ExecContext, user: Account | undefined): string {
  const wanted = context.workingDirectory;
  if (wanted === undefined) return '/';
  const path = wanted.path === '~' ? (user ?? findUser(String(process.getuid!())))!.home : wanted.path;
  try {
    if (statSync(path).isDirectory()) return path;
    if (!wanted.optional) throw new LaunchFailure('CHDIR', 'Not a directory');
  } catch (error) {
    if (!wanted.optional) {
      throw error instanceof LaunchFailure ? error : new LaunchFailure('CHDIR', 'No such file or directory');
    }
  }
  return '/';
}

function niceness({ nice }: ExecContext): readonly string[] {
  if (nice === undefined || nice === getPriority()) return [];
  return [helper('nice', 'NICE'), '-n', String(nice - getPriority())];
}

/** Changes from root to the unit's user and groups by setpriv(1). */
function privileges({ context, privileged }: LaunchRequest, user: Account | undefined): readonly string[] {
  const options = privileged ? [] : identity(context, user);
  if (context.noNewPrivileges) options.push('--no-new-privs');
  return options.length === 0
    ? []
    : [helper('setpriv', options[0]!.startsWith('--re') ? 'USER' : 'NO_NEW_PRIVILEGES'), ...options];
}

function identity(context: ExecContext, user: Account | undefined): string[] {
  const gid = context.group === undefined ? user?.gid : groupOf(context.group);
  if (gid === undefined && context.supplementaryGroups.length === 0) return [];
  const groups = [...(user === undefined ? [] : groupsOf(user.name)), ...context.supplementaryGroups.map(groupOf)];
  if (process.getuid!() !== 0) {
    if ((user === undefined || user.uid === process.getuid!()) && (gid === undefined || gid === process.getgid!()))
      return [];
    throw new LaunchFailure(user === undefined ? 'GROUP' : 'USER', 'Operation not permitted');
  }
  const all = [...new Set(gid === undefined ? groups : [gid, ...groups])];
  return [
    ...(user === undefined ? [] : [`--reuid=${user.uid}`]),
    ...(gid === undefined ? [] : [`--regid=${gid}`]),
    `--groups=${all.join(',')}`,
  ];
}

function userOf(name: string): Account {
  const user = findUser(name);
  if (user === undefined) throw new LaunchFailure('USER', 'No such process');
  return user;
}

function groupOf(name: string): number {
  const gid = findGroup(name);
  if (gid === undefined) throw new LaunchFailure('GROUP', 'No such process');
  return gid;
}

/** Sets argv[0] by another program, since the shell's exec cannot. */
function withArgv0(path: string, argv0: string | undefined): readonly string[] {
  if (argv0 === undefined || argv0 === path) return [path];
  const perl = findExecutable('perl');
  if ('path' in perl) return [perl.path, '-e', 'my $path = shift; exec {$path} @ARGV; exit 203', path, argv0];
  const script = 'path=$0 name=$1; shift; exec -a "$name" "$path" "$@"';
  return [helper('bash', 'EXEC'), '-c', script, path, argv0];
}

function helper(program: string, step: ExecStep): string {
  const found = findExecutable(program);
  if ('path' in found) return found.path;
  throw new LaunchFailure(step, `the program "${program}" is needed for this and was not found`);
}
