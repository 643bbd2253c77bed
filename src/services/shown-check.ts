import type { ServiceCheck } from '../model/index.ts';
import type { CheckResult } from './check-result.ts';
import type { CheckDefinition } from './registration.ts';

/** The id that stands for the machine itself where a check or a maintenance may belong to an instance. */
export const MACHINE = '';

/** Returns a check as the catalog holds it. */
export function shownCheck(definition: CheckDefinition, result: CheckResult | undefined): ServiceCheck {
  const { id, name, notes, probe } = definition;
  const { status, output } = result ?? { status: definition.status, output: '' };
  return { id, name, type: probe.type, status, output, notes };
}

/** Returns the check that stands for maintenance, with the id and words by which Consul's clients know it. */
export function maintenanceCheck(instance: string, reason: string): ServiceCheck {
  const ofMachine = instance === MACHINE;
  return {
    id: ofMachine ? '_node_maintenance' : `_service_maintenance:${instance}`,
    name: ofMachine ? 'Node Maintenance Mode' : 'Service Maintenance Mode',
    type: 'maintenance',
    status: 'critical',
    output: '',
    notes: reason,
  };
}
