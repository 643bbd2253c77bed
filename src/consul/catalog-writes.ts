import type { CatalogNode } from '../services/index.ts';
import { nodeNamed } from './catalog-lookups.ts';
import { type Answer, ConsulError, type ConsulRequest, json } from './exchange.ts';
import { JsonFields, malformed, readJson } from './json-fields.ts';
import { readRegistration, readStatedCheck, serviceOfCheck } from './registration-body.ts';

const REGISTER_FIELDS =
  'ID Node Address TaggedAddresses NodeMeta Service Check Checks SkipNodeUpdate Datacenter Namespace WriteRequest'.split(
    ' ',
  );
const DEREGISTER_FIELDS = 'Node Address Datacenter ServiceID CheckID Namespace WriteRequest'.split(' ');

/** PUT /v1/catalog/register: a service of this machine whose checks are what the caller says. */
export async function registerNode(request: ConsulRequest): Promise<Answer> {
  const { local } = request.parts;
  const fields = new JsonFields((await readJson(request)) ?? {}, REGISTER_FIELDS);
  requireOwnNode(request, fields.text('Node'));
  const service = fields.raw('Service');
  const several = fields.raw('Checks') ?? [];
  if (!Array.isArray(several)) throw malformed('Checks must be a list');
  const checks = [...(fields.has('Check') ? [fields.raw('Check')] : []), ...several];
  if (service !== undefined) await local.register(readRegistration(service, 'Service'), { keepChecks: true });
  const own = service === undefined ? '' : readRegistration(service, 'Service').id;
  for (const value of checks) {
    const instance = serviceOfCheck(value).service || own;
    const { check, output } = readStatedCheck(value, instance);
    if (instance === '' || !(await local.registerCheck(instance, check)))
      throw new ConsulError(
        400,
        `Unknown service ID ${JSON.stringify(instance)} for check ID ${JSON.stringify(check.id)}`,
      );
    local.report(check.id, check.status, output);
  }
  return json(true);
}

/** PUT /v1/catalog/deregister: takes back what was registered on this machine. */
export async function deregisterNode(request: ConsulRequest): Promise<Answer> {
  const { local } = request.parts;
  const fields = new JsonFields((await readJson(request)) ?? {}, DEREGISTER_FIELDS);
  requireOwnNode(request, fields.text('Node'));
  const [service, check] = [fields.text('ServiceID'), fields.text('CheckID')];
  if (service !== '') await local.deregister(service);
  if (check !== '') await local.deregisterCheck(check);
  if (service === '' && check === '')
    throw new ConsulError(400, 'A machine cannot be deregistered: it is in the catalog as long as its fleetd is there');
  return json(true);
}

/** Each machine's records are written by itself alone, so that they go when it goes. */
function requireOwnNode({ parts: { catalog, machine } }: ConsulRequest, name: string): CatalogNode {
  if (name === '') throw new ConsulError(400, 'Must provide node');
  const node = nodeNamed(catalog.snapshot, name);
  if (!node) throw new ConsulError(400, `Node ${JSON.stringify(name)} is no machine of this cluster`);
  if (node.id !== machine)
    throw new ConsulError(400, `Node ${JSON.stringify(name)} is another machine: register at its own address`);
  return node;
}
