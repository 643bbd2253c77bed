import { readStateFile } from '../lib/index.ts';
import { labPaths } from './lab-directory.ts';
import {
  allProcesses,
  argumentsOf,
  identify,
  isAlive,
  type ProcessIdentity,
  signalProcess,
} from './process-identity.ts';

/**
 * A script for `sh -c` that runs the store for as long as the lab runs and restarts it when it ends by itself, with
 * growing delays while it ends soon. Arguments: the file by which the store says that it serves, and the command. A
 * store that has never served is not restarted; the command that started it reports the reason.
 */
export const KEEPER = `
printf fleetd-keeper >/proc/$$/comm
ready=$1; shift
trap 'ending=1; kill "$child" 2>/dev/null' TERM INT
trap '' HUP USR1 USR2 ALRM PIPE
await() {
  [ -z "$ending" ] || kill "$child" 2>/dev/null
  wait "$child"; status=$?
  while kill -0 "$child" 2>/dev/null; do wait "$child"; status=$?; done
  [ -z "$ending" ] || exit 0
}
ending= delay=0
while :; do
  began=$(date +%s)
  "$@" & child=$!
  await
  [ -e "$ready" ] || exit "$status"
  [ $(($(date +%s) - began)) -lt 10 ] || delay=0
  echo "$(date -u +%FT%TZ) WARN The store ended and is started again status=$status delay_s=$delay"
  sleep "$delay" & child=$!
  await
  delay=$((delay < 8 ? delay * 2 + 1 : 15))
done`;

/** Counts restarts of the store since the lab was started, from its log. */
export function countRestarts(lab: string): number {
  try {
    return readStateFile(labPaths.storeLog(lab)).split(' WARN The store ended and is started again ').length - 1;
  } catch {
    return 0;
  }
}

/** Returns the lab's serving store, even if its keeper is gone; undefined when none serves. */
export function runningStore(lab: string): ProcessIdentity | undefined {
  const ready = labPaths.storeReady(lab);
  try {
    const { pid } = JSON.parse(readStateFile(ready)) as { pid: number };
    return argumentsOf(pid).includes(ready) ? identify(pid) : undefined;
  } catch {
    return undefined;
  }
}

/** Kills the keeper and its store; returns the processes. */
export function killKept(keeper: ProcessIdentity | undefined): readonly ProcessIdentity[] {
  if (!isAlive(keeper)) return [];
  // Stop the keeper first, so that it restarts nothing meanwhile.
  signalProcess(keeper, 'SIGSTOP');
  const kept = [keeper!, ...allProcesses().filter(({ parent }) => parent === keeper!.pid)];
  for (const one of kept) signalProcess(one, 'SIGKILL');
  return kept;
}
