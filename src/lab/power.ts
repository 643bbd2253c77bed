import { FlotillaError, messageOf } from '../lib/index.ts';
import { choosePorts } from './choose-ports.ts';
import { commandName } from './command-name.ts';
import type { LabIo } from './lab-io.ts';
import { cutPower, killDaemon, startMachine } from './lab-machine.ts';
import { type LabMachine, type LabState, writeLab } from './lab-state.ts';
import { isKept, killStore, startStore } from './lab-store.ts';
import { startOnPort, whileChoosingPorts } from './ports.ts';
import { signalProcess } from './process-identity.ts';

/** Finds machines by number, name (m1), address or the beginning of their id. */
export function pickMachines(state: LabState, names: readonly string[]): LabMachine[] {
  return names.map((name) => {
    const found = /^\d{1,4}$/.test(name)
      ? state.machines.filter((machine) => machine.number === Number(name))
      : state.machines.filter(
          ({ id, address, number }) => id.startsWith(name) || address === name || `m${number}` === name,
        );
    if (found.length === 1) return found[0]!;
    const known = state.machines.map((machine) => machine.number).join(', ');
    throw new FlotillaError(
      'usage',
      `${found.length === 0 ? 'no machine' : 'several machines'} ${name} in the lab; there are ${known}`,
    );
  });
}

/** `lab kill N…`: cuts the power of these machines, or kills only their fleetd. */
export async function kill(
  lab: string,
  state: LabState,
  machines: readonly LabMachine[],
  daemonOnly: boolean,
  io: LabIo,
) {
  await Promise.all(machines.map((machine) => (daemonOnly ? killDaemon(machine) : cutPower(machine))));
  writeLab(lab, state);
  const fleetctl = commandName(io.env);
  for (const { number, address } of machines)
    io.out(
      daemonOnly
        ? `Machine ${number} (${address}): fleetd was killed, its units run on. Start it again: ${fleetctl} lab revive ${number}\n`
        : `Machine ${number} (${address}) lost its power. Bring it back: ${fleetctl} lab revive ${number}\n`,
    );
}

/** `lab outage`: cuts all power at the same moment. */
export async function outage(lab: string, state: LabState, io: LabIo): Promise<void> {
  for (const target of state.machines) signalProcess(target, 'SIGKILL');
  await killStore(state);
  await Promise.all(state.machines.map((machine) => cutPower(machine)));
  writeLab(lab, state);
  io.out(
    `The power is out: the store and ${count(state.machines.length, 'machine')} are dead. Bring all or some of them back: ` +
      `${commandName(io.env)} lab restore [N…]\n`,
  );
}

/**
 * Starts the machines that are not up in parallel, after the store if need be. Returns false when one did not start.
 */
export async function powerOn(
  lab: string,
  state: LabState,
  machines: readonly LabMachine[],
  io: LabIo,
): Promise<boolean> {
  const save = () => writeLab(lab, state);
  const off = machines.filter((machine) => machine.state !== 'up');
  delete state.stopped;
  return await whileChoosingPorts(async () => {
    await choosePorts(state, off, io);
    if (!isKept(state)) {
      io.out('Starting the store…\n');
      await startStore(lab, state, io);
    }
    return await startMachines(state, off, io, save);
  });
}

/** Starts machines in parallel. Returns false when one did not start. */
async function startMachines(
  state: LabState,
  machines: readonly LabMachine[],
  io: LabIo,
  save: () => void,
): Promise<boolean> {
  const results = await Promise.all(
    machines.map(async (machine) => {
      try {
        await startOnPort(machine.address, Number(new URL(machine.endpoint).port), async (port) => {
          machine.endpoint = `http://${machine.address}:${port}`;
          await startMachine(machine, state, io, save);
        });
        io.out(`Machine ${machine.number} is up: ${machine.address}\n`);
        return true;
      } catch (error) {
        if (!(error instanceof FlotillaError)) throw error;
        io.err(`${messageOf(error)}\n`);
        return false;
      }
    }),
  );
  save();
  return results.every(Boolean);
}

/** Formats `3 machines`. */
export function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`;
}
