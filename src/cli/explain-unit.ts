import type { ApiWhy, FleetClient } from '../client/index.ts';
import { machineIdLegend } from './legend.ts';

/** Why a unit is not placed, in one clause. */
export async function describeWaiting(client: FleetClient, name: string): Promise<string> {
  return summarizeWhy(await client.why(name));
}

/** The summary without its "not placed:", and the machines' reasons, each said once. */
export function summarizeWhy(why: ApiWhy): string {
  const summary = why.summary.replace(/^(unit \S+ is )?not placed:? */i, '').replace(/\.$/, '');
  const machines = new Map<string, string[]>();
  for (const { machineID, reason } of why.machines) {
    if (reason === undefined) continue;
    machines.set(reason, [...(machines.get(reason) ?? []), machineIdLegend(machineID)]);
  }
  const reasons = [...machines].slice(0, 3).map(([reason, ids]) => {
    const who = ids.length > 2 ? `${ids.length} machines` : ids.join(', ');
    return `${who}: ${reason}`;
  });
  const known = reasons.filter((reason) => !summary.includes(reason));
  return (summary || 'no machine has taken it') + (known.length > 0 ? ` (${known.join('; ')})` : '');
}

/** ` (Result: exit-code, status=203/EXEC)` from the unit's status on that machine; empty when it cannot be had. */
export async function describeFailure(client: FleetClient, name: string, machineID: string): Promise<string> {
  try {
    const { reports } = await client.status(name, { machine: machineID, lines: 0 });
    return failureFacts(reports[0]?.text ?? '');
  } catch {
    // The failure itself is reported in any case; its detail is one command away.
    return '';
  }
}

/** What `systemctl status` text says of the failure. */
export function failureFacts(text: string): string {
  const result = /Active: failed \(Result: ([^)]+)\)/.exec(text)?.[1];
  const exit = [...text.matchAll(/\(code=[a-z]+, (status=[^)]+)\)/g)]
    .map((match) => match[1])
    .find((status) => !status!.startsWith('status=0/'));
  const facts = [result && `Result: ${result}`, exit].filter(Boolean);
  return facts.length > 0 ? ` (${facts.join(', ')})` : '';
}
