import type { CommandSpec } from '../command.ts';
import { warn } from '../context.ts';

/** Commands that need ssh to the machines: known, so that old scripts are told what is missing. */
function needsSsh(name: string, usage: string): CommandSpec {
  return {
    name,
    summary: 'Needs ssh to the machines',
    usage,
    about:
      'ssh support comes with the systemd machines. Status and journal of units come through the API, without ssh.',
    examples: [],
    flags: [],
    arguments: 'none',
    hidden: true,
    raw: true,
    run: async (context) => {
      warn(
        context,
        `fleetctl ${name}: ssh support comes with the systemd machines; see fleetctl status and fleetctl journal`,
      );
      return 1;
    },
  };
}

export const ssh = needsSsh('ssh', '[-A|--forward-agent] [--machine M|--unit U] {M|U} [--] [COMMAND...]');
export const fdForward = needsSsh('fd-forward', 'SOCKET');
