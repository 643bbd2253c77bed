import type { ApiService, ApiServiceInstance, FleetClient } from '../../client/index.ts';
import type { CommandSpec } from '../command.ts';
import { type Context, warn } from '../context.ts';
import { machineIdLegend } from '../legend.ts';
import { printRows } from '../list.ts';
import { sayWithMachines } from '../machine-json.ts';
import { FULL, NO_LEGEND, OUTPUT } from '../shared-flags.ts';

export const services: CommandSpec = {
  name: 'services',
  summary: 'List services, or where one of them answers',
  usage: '[NAME]',
  examples: [
    { line: 'fleetctl services', about: 'Every service, and how many of its instances are well' },
    { line: 'fleetctl services web', about: 'Its instances, and what their checks say' },
    { line: 'fleetctl services web -o json', about: 'All that is known of it, for a program' },
  ],
  flags: [FULL, NO_LEGEND, OUTPUT],
  arguments: 'services',
  run,
};

async function run(context: Context): Promise<number> {
  const [name, ...more] = context.args;
  if (more.length > 0) {
    warn(context, 'One service at most can be named.');
    return 2;
  }
  const client = await context.client();
  if (name === undefined) await showAll(context, client, await client.services());
  else {
    const service = await client.service(name);
    if (service === undefined) return noSuchService(context, name);
    await showOne(context, client, service);
  }
  return 0;
}

/** Prints the error message. */
export function noSuchService(context: Context, name: string): number {
  warn(context, `Service ${name} does not exist.`);
  return 1;
}

function isJson(context: Context): boolean {
  return context.flags.text('output') === 'json';
}

async function showAll(context: Context, client: FleetClient, all: readonly ApiService[]): Promise<void> {
  if (isJson(context)) {
    await sayWithMachines(context, client, all);
    return;
  }
  const rows = all.map(({ name, instances }) => [
    name,
    String(instances.length),
    String(instances.filter(({ health }) => health === 'passing').length),
    [...new Set(instances.flatMap(({ tags }) => tags))].sort().join(',') || '-',
  ]);
  printRows(context, ['SERVICE', 'INSTANCES', 'PASSING', 'TAGS'], rows);
}

async function showOne(context: Context, client: FleetClient, service: ApiService): Promise<void> {
  if (isJson(context)) {
    await sayWithMachines(context, client, service);
    return;
  }
  const full = context.flags.bool('full');
  const rows = service.instances.map((instance) => [
    instance.id,
    `${instance.address}:${instance.port}`,
    `${machineIdLegend(instance.machineID, full)}/${instance.node}`,
    instance.health,
    instance.unit ?? '-',
    complaint(instance),
  ]);
  printRows(context, ['INSTANCE', 'ADDRESS', 'MACHINE', 'HEALTH', 'UNIT', 'CHECK'], rows);
}

/** Returns the output of the first check that does not pass, on one line. */
function complaint({ checks }: ApiServiceInstance): string {
  const bad = checks.find(({ status }) => status === 'critical') ?? checks.find(({ status }) => status === 'warning');
  const said = (bad?.output || bad?.notes || bad?.name || '-').replace(/\s+/g, ' ').trim();
  return said.length > 60 ? `${said.slice(0, 59)}…` : said;
}
