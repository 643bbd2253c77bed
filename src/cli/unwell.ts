import type { ApiUnitService } from '../client/index.ts';
import { type Context, warn } from './context.ts';

const UNITS_AT_MOST = 3;

/** A running unit, and its declared services that do not pass their checks yet. */
export interface Unwell {
  readonly name: string;
  readonly services: readonly ApiUnitService[];
}

/** Prints once which checks the command waits for. `left` ends the sentence: ` for 4m59s`. */
export function explainUnwell(context: Context, units: readonly Unwell[], left: string): void {
  for (const { name, services } of units.slice(0, UNITS_AT_MOST)) {
    warn(context, `Unit ${name} runs and is waiting for its checks: ${describeUnwell(services)}; still trying${left}`);
  }
  const more = units.length - UNITS_AT_MOST;
  if (more > 0)
    warn(
      context,
      `${more} more ${more === 1 ? 'unit runs and is' : 'units run and are'} waiting for ${more === 1 ? 'its' : 'their'} checks`,
    );
}

/** Formats `service web on port 8081 is critical (connection refused)` for each service. */
export function describeUnwell(services: readonly ApiUnitService[]): string {
  return services
    .map(({ name, port, health, output = '' }) => {
      const said = output.replace(/\s+/g, ' ').trim().slice(0, 120);
      const state = health === undefined ? 'is not in the catalog yet' : `is ${health}`;
      return `service ${name} on port ${port} ${state}${said === '' ? '' : ` (${said})`}`;
    })
    .join(', ');
}
