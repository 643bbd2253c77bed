import type { ApiMachine, ApiMachineName, FleetClient } from '../client/index.ts';
import { type Context, sayJson } from './context.ts';

/** Returns a machine as all JSON output shows it. */
export function machineJson(id: string, machines: readonly ApiMachine[]): ApiMachineName {
  const { hostname, primaryIP } = machines.find((machine) => machine.id === id) ?? {};
  return { id, ...(hostname ? { hostname } : {}), ...(primaryIP ? { address: primaryIP } : {}) };
}

/** Prints the value with all names of each machine in it. */
export async function sayWithMachines(context: Context, client: FleetClient, value: unknown): Promise<void> {
  sayJson(context, withMachines(value, await client.machines()));
}

/** Adds `machine` beside every `machineID` in the value, at any depth. */
function withMachines<Value>(value: Value, machines: readonly ApiMachine[]): Value {
  const known = new Map<string, ApiMachineName>();
  const nameOf = (id: string) => {
    const name = known.get(id) ?? machineJson(id, machines);
    known.set(id, name);
    return name;
  };
  const walk = (part: unknown): unknown => {
    if (Array.isArray(part)) return part.map(walk);
    if (typeof part !== 'object' || part === null) return part;
    const entries = Object.entries(part).filter(([, item]) => item !== undefined);
    const walked = Object.fromEntries(entries.map(([key, item]) => [key, walk(item)]));
    const { machineID } = walked;
    // External nodes are not machines.
    const isMachine = typeof machineID === 'string' && /^[0-9a-f]{32}$/.test(machineID);
    return isMachine ? { ...walked, machine: nameOf(machineID) } : walked;
  };
  return walk(value) as Value;
}
