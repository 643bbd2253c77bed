import { type Filter, SOLO } from '../filter.ts';

/** MachineOf=: all the units named are placed on the machine. */
export const machineOf: Filter = {
  reason({ needs }, { state, machine, ignored }) {
    for (const name of needs.machineOf) {
      const base = state.units.get(name);
      if (base?.placements.has(machine) || (base && ignored.has(base))) continue;
      if (!base?.unit) return `MachineOf=${name}: there is no such unit`;
      return base.placements.size === 0
        ? `MachineOf=${name}: that unit is not on any machine`
        : `MachineOf=${name}: that unit is not on this machine`;
    }
    return undefined;
  },
  key: ({ needs }) => (needs.machineOf.length > 0 ? SOLO : undefined),
  wakes: [],
};
