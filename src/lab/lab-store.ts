import { existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { FlotillaError } from '../lib/index.ts';
import { storePort, tell } from './choose-ports.ts';
import { hasEnded, killProcess, lastLines, spawnDaemon, waitUntilReady } from './daemon-process.ts';
import { labPaths, machinePaths } from './lab-directory.ts';
import type { LabIo } from './lab-io.ts';
import { type LabState, WIPE_HINT, writeLab } from './lab-state.ts';
import { freePort, startOnPort } from './ports.ts';
import { isAlive, signalProcess } from './process-identity.ts';
import { KEEPER, killKept, runningStore } from './store-keeper.ts';

const HOST = '127.0.0.1';
const START_TIMEOUT_MS = 20_000;
const STOP_TIMEOUT_MS = 10_000;

/** Starts the lab's store, at the recorded endpoint unless that is taken; resolves when it serves. */
export async function startStore(lab: string, state: LabState, io: LabIo): Promise<void> {
  if (isKept(state)) return;
  // A keeper without a serving store is useless, and so is a store without a keeper.
  await stopStore(state);
  const before = Number(new URL(state.store.endpoint).port);
  const wanted = storePort(state);
  // Running machines look for the store at its old endpoint.
  const isExpected = state.machines.some((machine) => machine.state === 'up');
  const chosen = await freePort([HOST], isExpected ? [before, wanted] : [wanted, before]);
  // The state of a new lab names a port at which no store has been yet.
  const hadStore = existsSync(labPaths.store(lab));
  tell(chosen, wanted, { before: hadStore ? before : undefined, what: 'The store answers', io });
  await startOnPort(HOST, chosen, (port) => startStoreAt(port, lab, state, io));
}

async function startStoreAt(port: number, lab: string, state: LabState, io: LabIo): Promise<void> {
  const host = `${HOST}:${port}`;
  const directory = labPaths.store(lab);
  assertNothingLost(directory, state);
  mkdirSync(directory, { recursive: true });
  const log = labPaths.storeLog(lab);
  const ready = labPaths.storeReady(lab);
  rmSync(ready, { recursive: true, force: true });
  const args = ['store', '--data-dir', directory, '--listen', host, '--own-user', '--ready', ready];
  const daemon = await spawnDaemon(args, log, io.env, ['sh', '-c', KEEPER, 'fleetd-keeper', ready]);
  const keeper = { pid: daemon.pid, startTime: daemon.startTime };
  state.store = { endpoint: `http://${host}`, pid: 0, startTime: 0, keeper };
  writeLab(lab, state);
  const failure = await waitUntilReady(ready, daemon, START_TIMEOUT_MS);
  if (failure === undefined) {
    Object.assign(state.store, runningStore(lab));
    return writeLab(lab, state);
  }
  await killStore(state);
  throw new FlotillaError('unavailable', `the store ${failure}; the end of ${log}:\n${lastLines(log)}`);
}

/** True when the store runs under a keeper. */
export function isKept({ store }: LabState): boolean {
  return isAlive(store) && isAlive(store.keeper);
}

/** Throws when the store is empty although machines, which start after the store, have left files. */
function assertNothingLost(directory: string, { machines }: LabState): void {
  const isEmpty = !existsSync(directory) || readdirSync(directory).length === 0;
  if (!isEmpty || !machines.some((machine) => existsSync(machinePaths.state(machine.directory)))) return;
  const message = `the lab's units are missing: ${directory} is empty; put it back, or ${WIPE_HINT}`;
  throw new FlotillaError('damaged', message);
}

/** Stops the store cleanly; kills it when it does not respond. */
export async function stopStore(state: LabState): Promise<void> {
  const { store } = state;
  signalProcess(isAlive(store.keeper) ? store.keeper : store, 'SIGTERM');
  await Promise.all([hasEnded(store.keeper, STOP_TIMEOUT_MS), hasEnded(store, STOP_TIMEOUT_MS)]);
  await killStore(state);
}

/** Kills the store and its keeper. */
export async function killStore(state: LabState): Promise<void> {
  for (const one of [...killKept(state.store.keeper), state.store]) await killProcess(one);
  delete state.store.keeper;
  state.store.pid = 0;
  state.store.startTime = 0;
}
