import type { Filter } from '../filter.ts';

/** The machine must be there. While it is awaited, units stay on it and none arrive. */
export const presence: Filter = {
  reason(_unit, { machine, holding }) {
    if (machine.machine || (holding && machine.awaited)) return undefined;
    return machine.awaited ? 'the machine is away and given time to come back' : 'the machine is gone';
  },
  key: () => '',
  wakes: ['machineCame'],
};
