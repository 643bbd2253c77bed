import type { FleetClient } from '../../client/index.ts';
import { FlotillaError } from '../../lib/index.ts';
import { isTemplateName } from '../../model/index.ts';
import { cliUnitName } from '../../unitfile/index.ts';
import { machineIdLegend, machineLegend } from '../legend.ts';
import { pickMachine } from '../pick-machine.ts';

/** The user's text for a machine: its name, address or the beginning of its id; a unit on it; or either. */
export interface MachineWords {
  readonly machine?: string;
  readonly unit?: string;
  readonly either?: string;
}

/** Returns the address of that machine. Rejects with one sentence when none or several match. */
export async function findMachine(client: FleetClient, words: MachineWords): Promise<string> {
  const machine = words.machine ?? words.either;
  const unit = words.unit ?? words.either;
  const found = machine === undefined ? undefined : pickMachine(await client.machines(), machine);
  if (unit === undefined) {
    if (found) return addressOf({ id: found.id, address: found.primaryIP });
    throw invalid(`no machine is ${machine}, by name, address or the beginning of its id: see fleetctl list-machines`);
  }
  const name = cliUnitName(unit);
  if (found && (await client.summaries([name])).length === 0) {
    return addressOf({ id: found.id, address: found.primaryIP });
  }
  if (found) throw invalid(`${unit} is a machine as well as a unit: say which with --machine or --unit`);
  return addressOf(await machineOfUnit(client, name, words.either));
}

async function machineOfUnit(client: FleetClient, name: string, either?: string): Promise<Place> {
  if (isTemplateName(name)) {
    throw invalid(
      `${name} is a template, which runs nowhere: name an instance of it, such as ${name.replace('@', '@1')}`,
    );
  }
  const [unit] = await client.summaries([name]);
  if (!unit) {
    throw invalid(
      either === undefined
        ? `Unit ${name} does not exist.`
        : `${either} is neither a machine nor a unit: see fleetctl list-machines and fleetctl list-units`,
    );
  }
  const places = unit.placements.map(({ machineID, address }) => ({ id: machineID, address }));
  if (unit.global) {
    const where = places.map((place) => machineLegend(place)).join(', ') || 'on none';
    throw invalid(`Unit ${name} is global, so that it names no one machine: choose with --machine of ${where}`);
  }
  const [place] = places;
  if (place) return place;
  throw invalid(`Unit ${name} is on no machine: see fleetctl why ${name}`);
}

interface Place {
  readonly id: string;
  readonly address: string;
}

function addressOf({ id, address }: Place): string {
  if (address !== '') return address;
  throw invalid(`machine ${machineIdLegend(id)} has no address: it is not there`);
}

function invalid(message: string): FlotillaError {
  return new FlotillaError('invalid', message);
}
