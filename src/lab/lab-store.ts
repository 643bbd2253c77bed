import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { systemClock as clock, FlotillaError } from '../lib/index.ts';
import { hasEnded, killProcess, lastLines, spawnDaemon } from './daemon-process.ts';
import { labPaths, machinePaths } from './lab-directory.ts';
import type { LabIo } from './lab-io.ts';
import { type LabState, WIPE_HINT, writeLab } from './lab-state.ts';
import { isListening } from './ports.ts';
import { isAlive, signalProcess } from './process-identity.ts';

const START_TIMEOUT_MS = 20_000;
const STOP_TIMEOUT_MS = 10_000;

/** Starts the lab's store at the endpoint recorded in the state; resolves once it accepts connections. */
export async function startStore(lab: string, state: LabState, io: LabIo): Promise<void> {
  if (isAlive(state.store)) return;
  const { hostname, port, host } = new URL(state.store.endpoint);
  const directory = labPaths.store(lab);
  assertNothingLost(directory, state);
  mkdirSync(directory, { recursive: true });
  const log = labPaths.storeLog(lab);
  const daemon = await spawnDaemon(['store', '--data-dir', directory, '--listen', host], log, io.env);
  state.store.pid = daemon.pid;
  state.store.startTime = daemon.startTime;
  writeLab(lab, state);
  const deadline = clock.monotonic() + START_TIMEOUT_MS;
  while (!(await isListening(hostname, Number(port)))) {
    if (!daemon.ended.aborted && clock.monotonic() < deadline) {
      await clock.sleep(5);
      continue;
    }
    await killProcess(daemon);
    throw new FlotillaError('unavailable', `the store did not start; the end of ${log}:\n${lastLines(log)}`);
  }
}

/** Machines start after the store: where they have left something, an empty store is not a new one. */
function assertNothingLost(directory: string, { machines }: LabState): void {
  const isEmpty = !existsSync(directory) || readdirSync(directory).length === 0;
  if (!isEmpty || !machines.some((machine) => existsSync(machinePaths.state(machine.directory)))) return;
  const message = `the lab's units are missing: ${directory} is empty; put it back, or ${WIPE_HINT}`;
  throw new FlotillaError('damaged', message);
}

/** Stops the store cleanly, and at once if it does not answer. */
export async function stopStore(state: LabState): Promise<void> {
  const store = state.store;
  signalProcess(store, 'SIGTERM');
  if (!(await hasEnded(store, STOP_TIMEOUT_MS))) await killProcess(store);
  forgetStore(state);
}

/** Records that the store does not run. */
export function forgetStore(state: LabState): void {
  state.store.pid = 0;
  state.store.startTime = 0;
}
