import { parseSignal, signalName } from './values.ts';

/** The end of a process. `unknown`: an adopted process, whose exit status went to another parent. */
export type ProcessExit =
  | { readonly code: 'exited'; readonly status: number }
  | { readonly code: 'killed'; readonly status: number }
  | { readonly code: 'unknown'; readonly status: 0 };

/** A set of exit statuses and signals, as in SuccessExitStatus=. */
export interface ExitSet {
  readonly statuses: readonly number[];
  readonly signals: readonly number[];
}

export const NO_EXITS: ExitSet = { statuses: [], signals: [] };

/** The statuses by which systemd reports that a program could not be run; systemd.exec(5). */
export const EXIT_STATUS = {
  CHDIR: 200,
  NICE: 201,
  EXEC: 203,
  LIMITS: 205,
  OOM_ADJUST: 206,
  STDOUT: 209,
  GROUP: 216,
  USER: 217,
  CGROUP: 219,
  STDERR: 222,
  NO_NEW_PRIVILEGES: 227,
} as const;

export type ExecStep = keyof typeof EXIT_STATUS;

const FROM_ZERO = 'SUCCESS FAILURE INVALIDARGUMENT NOTIMPLEMENTED NOPERMISSION NOTINSTALLED NOTCONFIGURED NOTRUNNING';
const FROM_64 =
  'USAGE DATAERR NOINPUT NOUSER NOHOST UNAVAILABLE SOFTWARE OSERR OSFILE CANTCREAT IOERR TEMPFAIL PROTOCOL NOPERM CONFIG';
const FROM_200 =
  'CHDIR NICE FDS EXEC MEMORY LIMITS OOM_ADJUST SIGNAL_MASK STDIN STDOUT CHROOT IOPRIO TIMERSLACK SECUREBITS ' +
  'SETSCHEDULER CPUAFFINITY GROUP USER CAPABILITIES CGROUP SETSID CONFIRM STDERR - PAM NETWORK NAMESPACE ' +
  'NO_NEW_PRIVILEGES SECCOMP SELINUX_CONTEXT PERSONALITY APPARMOR_PROFILE ADDRESS_FAMILIES RUNTIME_DIRECTORY - CHOWN ' +
  'SMACK_PROCESS_LABEL KEYRING STATE_DIRECTORY CACHE_DIRECTORY LOGS_DIRECTORY CONFIGURATION_DIRECTORY NUMA_POLICY ' +
  'CREDENTIALS';

const NAME_OF_STATUS = new Map<number, string>();
const STATUS_OF_NAME = new Map<string, number>();
for (const [first, names] of [
  [0, FROM_ZERO],
  [64, FROM_64],
  [200, FROM_200],
] as const) {
  names.split(' ').forEach((name, index) => {
    if (name === '-') return;
    NAME_OF_STATUS.set(first + index, name);
    STATUS_OF_NAME.set(name, first + index);
  });
}

/** Formats the part `code=exited, status=1/FAILURE` of systemd's messages. */
export function describeExit(exit: ProcessExit): string {
  if (exit.code === 'unknown') return 'code=unknown, status=n/a';
  const name = exit.code === 'exited' ? (NAME_OF_STATUS.get(exit.status) ?? 'n/a') : signalName(exit.status);
  return `code=${exit.code}, status=${exit.status}/${name}`;
}

/** Parses one word of an exit set: a number, a status name or a signal name. Returns undefined for anything else. */
export function parseExitWord(
  word: string,
): { readonly kind: 'status' | 'signal'; readonly value: number } | undefined {
  if (/^\d+$/.test(word)) return Number(word) <= 255 ? { kind: 'status', value: Number(word) } : undefined;
  const status = STATUS_OF_NAME.get(word.replace(/^EXIT_/, ''));
  if (status !== undefined) return { kind: 'status', value: status };
  const signal = parseSignal(word);
  return signal === undefined ? undefined : { kind: 'signal', value: signal };
}

export function inExitSet(set: ExitSet, exit: ProcessExit): boolean {
  if (exit.code === 'unknown') return false;
  return (exit.code === 'exited' ? set.statuses : set.signals).includes(exit.status);
}

const CLEAN_SIGNALS: readonly number[] = ['HUP', 'INT', 'TERM', 'PIPE'].map((name) => parseSignal(name)!);

/**
 * True when an exit counts as success. SIGHUP, SIGINT, SIGTERM and SIGPIPE are success for a daemon, not for a command.
 */
export function isCleanExit(exit: ProcessExit, kind: 'daemon' | 'command', success: ExitSet = NO_EXITS): boolean {
  if (exit.code === 'exited' && exit.status === 0) return true;
  if (exit.code === 'killed' && kind === 'daemon' && CLEAN_SIGNALS.includes(exit.status)) return true;
  // An unobserved end: success for a command, which is expected to end, but not for a daemon.
  if (exit.code === 'unknown') return kind === 'command';
  return inExitSet(success, exit);
}
