import type { Health, NodeCheck, RouteRule, ServiceCheck, ServiceInstance } from '../model/index.ts';
import { asObject, numberOf, parseObject, stringList, stringsOf } from './record-codec.ts';

/** Ignores unknown fields and returns undefined for a wrong value, as the other codecs do (record-codec.ts). */
export function decodeInstance(machine: string, id: string, value: string): ServiceInstance | undefined {
  const record = parseObject(value);
  const { name, address, port, unit } = record ?? {};
  const source = record?.['source'];
  if (!record || typeof name !== 'string' || name === '' || typeof address !== 'string') return undefined;
  if (source !== 'unit' && source !== 'container' && source !== 'api') return undefined;
  return {
    machine,
    id,
    name,
    address,
    port: numberOf(port),
    tags: stringList(record['tags']),
    meta: stringsOf(record['meta']),
    weights: decodeWeights(record['weights']),
    enableTagOverride: record['enableTagOverride'] === true,
    source,
    ...(typeof unit === 'string' ? { unit } : {}),
    routes: objects(record['routes']).map(decodeRoute),
    checks: objects(record['checks']).map(decodeCheck),
  };
}

export function encodeInstance(instance: ServiceInstance): string {
  const { machine: _, id: __, ...record } = instance;
  return JSON.stringify(record);
}

export function decodeNodeCheck(_: string, id: string, value: string): NodeCheck | undefined {
  const record = parseObject(value);
  const service = record?.['service'] ?? '';
  return record && typeof service === 'string' ? { ...decodeCheck(record), id, service } : undefined;
}

export function encodeNodeCheck({ id: _, service, ...record }: NodeCheck): string {
  return JSON.stringify(service === '' ? record : { ...record, service });
}

function decodeWeights(value: unknown): ServiceInstance['weights'] {
  const { passing, warning } = asObject(value);
  return { passing: typeof passing === 'number' ? passing : 1, warning: typeof warning === 'number' ? warning : 1 };
}

function decodeRoute({ host, path }: Record<string, unknown>): RouteRule {
  return { ...(typeof host === 'string' ? { host } : {}), ...(typeof path === 'string' ? { path } : {}) };
}

function decodeCheck(check: Record<string, unknown>): ServiceCheck {
  const word = (key: string) => (typeof check[key] === 'string' ? check[key] : '');
  const [id, name, type, output, notes] = [word('id'), word('name'), word('type'), word('output'), word('notes')];
  return { id, name, type, status: decodeHealth(check['status']), output, notes };
}

/** A status that is not known counts as critical, so that no client is sent to the instance. */
function decodeHealth(value: unknown): Health {
  return value === 'passing' || value === 'warning' ? value : 'critical';
}

function objects(value: unknown): Record<string, unknown>[] {
  return Array.isArray(value) ? value.map(asObject) : [];
}
