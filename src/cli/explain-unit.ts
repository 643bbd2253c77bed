import type { ApiWhy, FleetClient } from '../client/index.ts';
import { messageOf } from '../lib/index.ts';
import { machineIdLegend } from './legend.ts';

/** The reasons why a unit is not placed: one clause, and each machine's reason. */
export interface Obstacles {
  readonly clause: string;
  /** `85c0c595...: reason`; machines with the same reason share a line. */
  readonly reasons: readonly string[];
}

const REASONS_AT_MOST = 5;

export async function askObstacles(client: FleetClient, name: string): Promise<Obstacles> {
  try {
    return obstacles(await client.why(name));
  } catch (error) {
    return { clause: messageOf(error), reasons: [] };
  }
}

/** Selects the few lines worth printing from the API's response. */
export function obstacles(why: ApiWhy): Obstacles {
  const machines = new Map<string, string[]>();
  for (const { machineID, reason } of why.machines) {
    if (reason !== undefined) machines.set(reason, [...(machines.get(reason) ?? []), machineIdLegend(machineID)]);
  }
  const reasons = [...machines].map(([reason, ids]) => {
    return `${ids.length > 3 ? `${ids.length} machines` : ids.join(', ')}: ${reason}`;
  });
  if (reasons.length > REASONS_AT_MOST) reasons.splice(REASONS_AT_MOST, Infinity, `more: fleetctl why ${why.name}`);
  const clause = why.summary.replace(/^not placed( yet)?:? */i, '').replace(/\.$/, '');
  return { clause: clause || 'no machine has taken it', reasons };
}

/**
 * Returns ` (Result: exit-code, status=203/EXEC)` from the unit's status on that machine; empty when it is unavailable.
 */
export async function describeFailure(client: FleetClient, name: string, machineID: string): Promise<string> {
  try {
    const { reports } = await client.status(name, { machine: machineID, lines: 0 });
    return failureFacts(reports[0]?.text ?? '');
  } catch {
    // The failure is reported in any case; `fleetctl status` shows its details.
    return '';
  }
}

/** Extracts the failure from the text of `systemctl status`. */
export function failureFacts(text: string): string {
  const result = /Active: failed \(Result: ([^)]+)\)/.exec(text)?.[1];
  const exit = [...text.matchAll(/\(code=[a-z]+, (status=[^)]+)\)/g)]
    .map((match) => match[1])
    .find((status) => !status!.startsWith('status=0/'));
  const facts = [result && `Result: ${result}`, exit].filter(Boolean);
  return facts.length > 0 ? ` (${facts.join(', ')})` : '';
}
