import { existsSync, readdirSync, rmdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import { FlotillaError } from '../lib/index.ts';
import { powerOff } from '../runtime/supervisor/index.ts';
import { LAB_NAMES, machinePaths } from './lab-directory.ts';
import type { LabIo } from './lab-io.ts';
import { cutPower, stopMachine } from './lab-machine.ts';
import { isRunning, type LabState, writeLab } from './lab-state.ts';
import { stopStore } from './lab-store.ts';
import { killStrays } from './stray-processes.ts';

/** Stops units, machines and store cleanly. What they hold on disk stays for the next `up`. */
export async function stopLab(lab: string, state: LabState, io: LabIo): Promise<void> {
  if (isRunning(state)) io.out('Stopping the units and the machines…\n');
  // All at once, so that no machine takes over the units of one that stopped before it.
  const forced = await Promise.all(
    state.machines.map(async (machine) => ((await stopMachine(machine)) ? [] : [machine])),
  );
  for (const { number } of forced.flat()) io.err(`machine ${number} did not stop in time and was cut off\n`);
  await stopStore(state);
  delete state.starting;
  state.stopped = true;
  writeLab(lab, state);
}

/** Ends everything of the lab at once, like a power cut. */
export async function dropLab(lab: string, state: LabState): Promise<void> {
  await Promise.all(state.machines.map((machine) => cutPower(machine)));
  await stopStore(state);
  delete state.starting;
  state.stopped = true;
  writeLab(lab, state);
}

/**
 * Ends whatever runs from this directory, whether or not lab.json knows of it: who started it may have been killed
 * before it could write that down, or the directory deleted. Answers how many processes those were.
 */
export async function killUnrecorded(lab: string): Promise<number> {
  const count = await killStrays(lab);
  const names = existsSync(lab) ? readdirSync(lab).filter((name) => /^m\d+$/.test(name)) : [];
  for (const name of names) await powerOff({ directory: machinePaths.supervisor(path.join(lab, name)) });
  return count;
}

/**
 * Ends whatever still runs from this directory and deletes the lab's files, without needing its lab.json. Only what a
 * lab makes is deleted.
 */
export async function wipeLab(lab: string): Promise<void> {
  await killUnrecorded(lab);
  if (!existsSync(lab)) return;
  const names = readdirSync(lab).filter((name) => LAB_NAMES.test(name));
  for (const name of names.filter((name) => !name.startsWith('lab.lock')))
    rmSync(path.join(lab, name), { recursive: true, force: true });
}

/** Removes the lab's directory if nothing of anybody else is in it. */
export function removeIfEmpty(lab: string): void {
  try {
    rmdirSync(lab);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code !== 'ENOTEMPTY' && code !== 'ENOENT')
      throw new FlotillaError('internal', `cannot remove ${lab}`, {}, error);
  }
}
