import type { ApiMachine, FleetClient } from '../client/index.ts';
import { FlotillaError } from '../lib/index.ts';
import { matchesGlob } from '../model/index.ts';

/**
 * Returns the machines that a user's text can mean: host name, address, id or its beginning, or the form of tables
 * (`85c0c595...`, and with `/` its address).
 */
export function matchingMachines(machines: readonly ApiMachine[], text: string): readonly ApiMachine[] {
  const start = text.replace(/\.{3}(?=$|\/)/, '').replace(/(?<=^[0-9a-f]{8,32})\/.*$/, '');
  if (start === '') return [];
  return machines.filter(
    ({ id, hostname, primaryIP }) => id.startsWith(start) || hostname === text || primaryIP === text,
  );
}

/** Like `matchingMachines`, but `text` may also be a pattern. */
export function machinesLike(machines: readonly ApiMachine[], text: string): readonly ApiMachine[] {
  const found = new Set(matchingMachines(machines, text));
  return machines.filter(
    (machine) =>
      found.has(machine) ||
      [machine.id, machine.primaryIP, machine.hostname ?? ''].some((name) => name !== '' && matchesGlob(text, name)),
  );
}

/**
 * Returns the one machine that matches; undefined when none does. Throws a sentence that lists them when several do.
 */
export function pickMachine(machines: readonly ApiMachine[], text: string): ApiMachine | undefined {
  const matching = matchingMachines(machines, text);
  const named = matching.filter(({ hostname }) => hostname === text);
  // A host name takes precedence: a host called `cafe` wins over a machine whose id begins so.
  const found = named.length > 0 ? named : matching;
  if (found.length < 2) return found[0];
  const names = found.map(({ id, hostname, primaryIP }) => `${id} (${hostname ?? '-'}, ${primaryIP || '-'})`);
  throw new FlotillaError('invalid', `ambiguous machine ${text}: it may be ${names.join(' or ')}`);
}

/**
 * Returns the id for `--machine`; empty without the flag. Text that matches no machine is taken for the id of one that
 * has left.
 */
export async function machineIdFor(client: FleetClient, text: string): Promise<string> {
  if (text === '') return '';
  return pickMachine(await client.machines(), text)?.id ?? text.replace(/\.{3}$/, '');
}
