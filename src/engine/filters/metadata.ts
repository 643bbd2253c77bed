import type { Filter } from '../filter.ts';
import { lackingKey } from '../lacking-key.ts';

/** MachineMetadata=: for every key the machine has one of the values. */
export const metadata: Filter = {
  reason({ needs }, { machine: { machine } }) {
    const key = machine && lackingKey(needs.metadata, machine);
    if (key === undefined) return undefined;
    const has = Object.hasOwn(machine!.metadata, key) ? `${key}=${machine!.metadata[key]}` : `no ${key} at all`;
    const wanted = needs.metadata[key]!.map((value) => `${key}=${value}`).join(' or ');
    return `MachineMetadata asks for ${wanted}, the machine has ${has}`;
  },
  key: ({ poolKey }) => (poolKey === '' ? undefined : poolKey),
  wakes: ['machineCame'],
};
