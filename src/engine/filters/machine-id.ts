import type { ClusterState } from '../cluster-state.ts';
import type { Filter } from '../filter.ts';

/** MachineID=: the machine's whole id, or the beginning of its id alone. */
export const machineId: Filter = {
  reason({ needs: { machineId: wanted } }, { state, machine, holding }) {
    if (wanted === undefined || machine.id === wanted) return undefined;
    if (!machine.id.startsWith(wanted)) return otherMachine(wanted, state);
    // A machine that joins and shares the prefix is no reason to move a running unit.
    if (holding) return undefined;
    const [, second] = state.machinesWithPrefix(wanted);
    return second ? `MachineID=${wanted} is the beginning of more than one machine's id` : undefined;
  },
  key: ({ needs }) => needs.machineId,
  // When one of two machines with the prefix is gone, it names the other one.
  wakes: ['machineCame', 'machineGone'],
};

function otherMachine(wanted: string, state: ClusterState): string {
  const [first] = state.machinesWithPrefix(wanted);
  return first === undefined
    ? `MachineID=${wanted} is the beginning of no machine's id`
    : `MachineID=${wanted} names another machine`;
}
