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

/** Stops units, machines and store cleanly. Their files stay for the next `up`. */
export async function stopLab(lab: string, state: LabState, io: LabIo): Promise<void> {
  if (isRunning(state)) io.out('Stopping the units and the machines…\n');
  // In parallel, so that no machine takes over the units of another that stops.
  const forced = await Promise.all(
    state.machines.map(async (machine) => ((await stopMachine(machine)) ? [] : [machine])),
  );
  for (const { number } of forced.flat()) io.err(`machine ${number} did not stop in time and was cut off\n`);
  await stopStore(state);
  delete state.starting;
  state.stopped = true;
  writeLab(lab, state);
}

/** Kills all processes of the lab at once, like a power cut. */
export async function dropLab(lab: string, state: LabState): Promise<void> {
  await Promise.all(state.machines.map((machine) => cutPower(machine)));
  await stopStore(state);
  delete state.starting;
  state.stopped = true;
  writeLab(lab, state);
}

/**
 * Kills the processes of this directory, whether or not lab.json names them: the command that started them may have
 * been killed before it wrote them down, or the directory deleted. Returns their number.
 */
export async function killUnrecorded(lab: string): Promise<number> {
  const count = await killStrays(lab);
  const names = existsSync(lab) ? readdirSync(lab).filter((name) => /^m\d+$/.test(name)) : [];
  for (const name of names) await powerOff({ directory: machinePaths.supervisor(path.join(lab, name)) });
  return count;
}

/**
 * Kills the processes of this directory and deletes the lab's files, without reading lab.json. Deletes only files that
 * a lab makes.
 */
export async function wipeLab(lab: string): Promise<void> {
  await killUnrecorded(lab);
  if (!existsSync(lab)) return;
  const names = readdirSync(lab).filter((name) => LAB_NAMES.test(name));
  for (const name of names.filter((name) => !name.startsWith('lab.lock')))
    rmSync(path.join(lab, name), { recursive: true, force: true });
}

/** Removes the lab's directory if no other files are in it. */
export function removeIfEmpty(lab: string): void {
  try {
    rmdirSync(lab);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code !== 'ENOTEMPTY' && code !== 'ENOENT')
      throw new FlotillaError('internal', `cannot remove ${lab}`, {}, error);
  }
}
