import type { ApiMachine, ApiMachineName, FleetClient } from '../client/index.ts';
import { type Context, sayJson } from './context.ts';

/** A machine as every JSON output has it. */
export function machineJson(id: string, machines: readonly ApiMachine[]): ApiMachineName {
  const { hostname, primaryIP } = machines.find((machine) => machine.id === id) ?? {};
  return { id, ...(hostname ? { hostname } : {}), ...(primaryIP ? { address: primaryIP } : {}) };
}

/** Prints the value with each machine in it by all its names. */
export async function sayWithMachines(context: Context, client: FleetClient, value: unknown): Promise<void> {
  sayJson(context, withMachines(value, await client.machines()));
}

/** The value with `machine` beside every `machineID` in it, however deep. */
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
    // Computers without fleetd are no machines.
    const isMachine = typeof machineID === 'string' && /^[0-9a-f]{32}$/.test(machineID);
    return isMachine ? { ...walked, machine: nameOf(machineID) } : walked;
  };
  return walk(value) as Value;
}
