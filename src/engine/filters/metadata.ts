import type { Machine, Needs } from '../../model/index.ts';
import type { Filter } from '../filter.ts';

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

/** Returns the first key of which the machine has none of the values; undefined when it qualifies. */
export function lackingKey(wanted: Needs['metadata'], { metadata: has }: Machine): string | undefined {
  for (const key in wanted) {
    const value = Object.hasOwn(has, key) ? has[key] : undefined;
    if (value === undefined || !wanted[key]!.includes(value)) return key;
  }
  return undefined;
}
