import type { ApiRegistration, CheckDefinition, Health } from '../services/index.ts';
import { ConsulError } from './exchange.ts';
import { JsonFields, malformed } from './json-fields.ts';

const SERVICE_FIELDS = (
  'ID Service Name Tags Port Address TaggedAddresses Meta Check Checks EnableTagOverride Weights Kind Proxy Connect Token ' +
  'Namespace Datacenter CreateIndex ModifyIndex'
).split(' ');
const CHECK_FIELDS = (
  'ID CheckID Name Notes ServiceID ServiceName Node Output Token Status Script ScriptArgs Args HTTP Header Method Body TCP Interval ' +
  'GRPC GRPCUseTLS TLSSkipVerify TLSServerName Timeout TTL AliasNode AliasService DockerContainerID Shell ' +
  'SuccessBeforePassing FailuresBeforeCritical DeregisterCriticalServiceAfter OutputMaxSize Namespace Definition Type ' +
  'ServiceTags CreateIndex ModifyIndex'
).split(' ');

/** Limit of checks in one body; the catalog has no room for an instance with more. */
const MAX_CHECKS = 512;
const MAX_WEIGHT = 65_535;
/** Consul's shortest interval, too. */
const MIN_INTERVAL_MS = 1000;
const DEFAULT_TIMEOUT_MS = 10_000;
/** Consul's shortest DeregisterCriticalServiceAfter, too. */
const MIN_DEREGISTER_MS = 60_000;
/** The time to live, in milliseconds, of a status that only its writer changes: ten years. */
const FOR_GOOD_MS = 86_400_000 * 3650;

/** Reads the body of an agent's registration; throws a ConsulError of 400 for an invalid one. */
export function readRegistration(value: unknown, nameField: 'Name' | 'Service' = 'Name'): ApiRegistration {
  const fields = new JsonFields(value, SERVICE_FIELDS);
  const name = fields.text(nameField) || fields.text('Name');
  if (name === '') throw new ConsulError(400, 'Missing service name');
  const id = fields.text('ID') || name;
  const tags = fields.texts('Tags');
  // Names and tags are shown on terminals, one per line.
  const odd = [name, id, ...tags].find((text) => /\p{Cc}/u.test(text));
  if (odd !== undefined)
    throw new ConsulError(400, `Invalid text ${JSON.stringify(odd)}: names, ids and tags have no control characters`);
  const port = fields.number('Port', 0);
  if (!Number.isInteger(port) || port < 0 || port > 65_535) throw new ConsulError(400, `Invalid port ${port}`);
  return {
    id,
    name,
    address: readAddress(fields),
    port,
    tags,
    meta: fields.map('Meta'),
    weights: readWeights(fields),
    enableTagOverride: fields.flag('EnableTagOverride'),
    routes: [],
    checks: checksOf(fields, id, name),
  };
}

/**
 * Reads weights within the range of an SRV record. A passing instance needs a weight above 0, since it takes requests.
 */
function readWeights(fields: JsonFields): ApiRegistration['weights'] {
  const weights = new JsonFields(fields.raw('Weights') ?? {}, ['Passing', 'Warning']);
  const read = (name: string, least: number) => {
    const weight = weights.number(name, 1);
    if (Number.isInteger(weight) && weight >= least && weight <= MAX_WEIGHT) return weight;
    throw new ConsulError(400, `Invalid Weights: ${name} must be a whole number from ${least} to ${MAX_WEIGHT}`);
  };
  return { passing: read('Passing', 1), warning: read('Warning', 0) };
}

/** Reads an IP address, a host name or nothing; other text must not get into DNS or a router's configuration. */
export function readAddress(fields: JsonFields): string {
  const address = fields.text('Address');
  if (!/^[\w.:%-]{0,253}$/.test(address)) throw new ConsulError(400, `Invalid address ${JSON.stringify(address)}`);
  return address;
}

/** Lists Check and Checks of the body together; throws a ConsulError of 400 when they are not lists or too many. */
export function allChecks(fields: JsonFields): readonly unknown[] {
  const several = fields.raw('Checks') ?? [];
  if (!Array.isArray(several)) throw malformed('Checks must be a list');
  const all = [...(fields.has('Check') ? [fields.raw('Check')] : []), ...several];
  if (all.length > MAX_CHECKS)
    throw new ConsulError(400, `Too many checks: ${all.length}, at most ${MAX_CHECKS} fit; register fewer`);
  return all;
}

function checksOf(fields: JsonFields, id: string, name: string): CheckDefinition[] {
  const all = allChecks(fields);
  return all.map((check, index) =>
    readCheck(check, {
      id: all.length === 1 ? `service:${id}` : `service:${id}:${index + 1}`,
      name: `Service '${name}' check`,
    }),
  );
}

/**
 * Reads a check; `otherwise` gives the id and name of a check without them. Throws a ConsulError of 400 for a check
 * that cannot be run.
 */
export function readCheck(value: unknown, otherwise: { readonly id: string; readonly name: string }): CheckDefinition {
  const fields = new JsonFields(value, CHECK_FIELDS);
  const deregisterAfterMs = fields.durationMs('DeregisterCriticalServiceAfter');
  return {
    id: fields.text('CheckID') || fields.text('ID') || otherwise.id,
    name: fields.text('Name') || otherwise.name,
    notes: fields.text('Notes'),
    probe: probeOf(fields),
    status: readStatus(fields.text('Status') || 'critical'),
    ...(deregisterAfterMs ? { deregisterAfterMs: Math.max(MIN_DEREGISTER_MS, deregisterAfterMs) } : {}),
  };
}

/** A check whose result is stated by the client that registers it in the catalog. */
export interface StatedCheck {
  /** Id of the instance to which it belongs; empty: its node. */
  readonly instance: string;
  readonly check: CheckDefinition;
  readonly output: string;
}

export function readStatedCheck(value: unknown): StatedCheck {
  const fields = new JsonFields(value, CHECK_FIELDS);
  const instance = fields.text('ServiceID');
  const name = fields.text('Name');
  const id = fields.text('CheckID') || fields.text('ID') || name || (instance === '' ? '' : `service:${instance}`);
  if (id === '') throw new ConsulError(400, 'Missing check name');
  const check: CheckDefinition = {
    id,
    name: name || id,
    notes: fields.text('Notes'),
    probe: { type: 'ttl', ttlMs: FOR_GOOD_MS },
    status: readStatus(fields.text('Status') || 'critical'),
  };
  return { instance, check, output: fields.text('Output') };
}

/** Returns the service that a check names; empty when it names none. */
export function serviceOfCheck(value: unknown): { readonly service: string; readonly name: string } {
  const fields = new JsonFields(value, CHECK_FIELDS);
  return { service: fields.text('ServiceID'), name: fields.text('Name') };
}

/** Accepts `passing`, `warning` and `critical`. */
export function readStatus(text: string): Health {
  if (text === 'passing' || text === 'warning' || text === 'critical') return text;
  throw new ConsulError(400, `Invalid check status: ${JSON.stringify(text)}`);
}

function probeOf(fields: JsonFields): CheckDefinition['probe'] {
  const ttlMs = fields.durationMs('TTL');
  if (ttlMs !== undefined && ttlMs > 0) return { type: 'ttl', ttlMs };
  const intervalMs = fields.durationMs('Interval') ?? 0;
  const pace = {
    intervalMs: Math.max(MIN_INTERVAL_MS, intervalMs),
    timeoutMs: fields.durationMs('Timeout') || DEFAULT_TIMEOUT_MS,
  };
  const probe = activeProbeOf(fields, pace);
  if (!probe) {
    const kinds = 'TTL, HTTP, TCP, GRPC or Args';
    throw new ConsulError(400, `Invalid check: it needs one of ${kinds}; other kinds are not supported here`);
  }
  if (intervalMs <= 0)
    throw new ConsulError(400, 'Invalid check: Interval must be > 0 for Script, HTTP, or TCP checks');
  return probe;
}

function activeProbeOf(
  fields: JsonFields,
  pace: { readonly intervalMs: number; readonly timeoutMs: number },
): CheckDefinition['probe'] | undefined {
  const verify = !fields.flag('TLSSkipVerify');
  const url = fields.text('HTTP');
  if (url !== '') {
    const protocol = URL.parse(url)?.protocol;
    if (protocol !== 'http:' && protocol !== 'https:')
      throw new ConsulError(400, `Invalid check: ${JSON.stringify(url)} is no URL`);
    const type = protocol === 'https:' ? 'https' : 'http';
    const method = fields.text('Method') || 'GET';
    return { type, url, method, headers: headersOf(fields), body: fields.text('Body'), verify, ...pace };
  }
  if (fields.text('TCP') !== '') return { type: 'tcp', ...hostPortOf(fields.text('TCP')), ...pace };
  if (fields.text('GRPC') !== '') {
    const [place, ...service] = fields.text('GRPC').split('/');
    return {
      type: 'grpc',
      ...hostPortOf(place!),
      service: service.join('/'),
      tls: fields.flag('GRPCUseTLS'),
      verify,
      ...pace,
    };
  }
  const script = fields.text('Script');
  const given = fields.texts('Args').length > 0 ? fields.texts('Args') : fields.texts('ScriptArgs');
  const args = given.length > 0 ? given : script === '' ? [] : ['/bin/sh', '-c', script];
  return args.length === 0 ? undefined : { type: 'script', args, env: {}, ...pace };
}

function headersOf(fields: JsonFields): Readonly<Record<string, readonly string[]>> {
  const value = fields.raw('Header') ?? {};
  if (typeof value !== 'object' || value === null) throw malformed('Header must be an object of lists');
  return Object.fromEntries(Object.entries(value).map(([name, list]) => [name, [list].flat().map(String)]));
}

function hostPortOf(text: string): { readonly host: string; readonly port: number } {
  const colon = text.lastIndexOf(':');
  const port = Number(text.slice(colon + 1));
  if (colon < 1 || !Number.isInteger(port) || port < 1 || port > 65_535)
    throw new ConsulError(400, `Invalid check: ${JSON.stringify(text)} is not HOST:PORT`);
  return { host: text.slice(0, colon).replace(/^\[|\]$/g, ''), port };
}
