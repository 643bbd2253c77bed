import { readFileSync } from 'node:fs';
import type { FleetClient } from '../../client/index.ts';
import { FlotillaError, systemReason } from '../../lib/index.ts';
import { type Context, say, sayJson } from '../context.ts';
import { printRows } from '../list.ts';

/** `fleetctl router certificates …`. */
export async function certificates(context: Context, client: FleetClient): Promise<number> {
  const [, verb, name, file, ...more] = context.args;
  if (verb === undefined) return show(context, client);
  const forLists = ['output', 'full', 'no-legend'].find((flag) => context.flags.has(flag));
  if (forLists !== undefined && ['add', 'remove'].includes(verb))
    throw new FlotillaError('usage', `router certificates ${verb} prints no list: leave out --${forLists}`);
  if (verb === 'add' && name !== undefined && file !== undefined && more.length === 0) {
    const isNew = await client.putCertificate(name, { pem: read(file) });
    say(context, `Certificate ${name} ${isNew ? 'stored' : 'replaced'}`);
    return 0;
  }
  if (verb === 'remove' && name !== undefined && file === undefined) {
    await client.deleteCertificate(name);
    say(context, `Certificate ${name} removed`);
    return 0;
  }
  throw new FlotillaError(
    'usage',
    'say fleetctl router certificates to list them, or with add NAME FILE.pem or remove NAME to change them',
  );
}

async function show(context: Context, client: FleetClient): Promise<number> {
  const all = await client.certificates();
  if (context.flags.text('output') === 'json') {
    sayJson(context, all);
    return 0;
  }
  const nowMs = context.clock.now();
  const rows = all.map(({ name, hosts, expiresMs }) => [name, hosts.join(' ') || '-', expiry(expiresMs, nowMs)]);
  printRows(context, ['NAME', 'HOSTS', 'EXPIRES'], rows);
  return 0;
}

/** Formats `2027-02-01`, and says when that is past. */
function expiry(ms: number, nowMs: number): string {
  if (ms === 0) return 'unreadable';
  return `${new Date(ms).toISOString().slice(0, 10)}${ms <= nowMs ? ' (expired)' : ''}`;
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new FlotillaError('usage', `cannot read ${file}: ${systemReason(error)}`);
  }
}
