import type { ApiRegistration } from '../services/index.ts';
import { machinesOf } from './catalog-lookups.ts';
import { ConsulError, type ConsulRequest, type ConsulResponse, json, requireDatacenter } from './exchange.ts';
import { JsonFields, readJson } from './json-fields.ts';
import { allChecks, readAddress, readRegistration, readStatedCheck, type StatedCheck } from './registration-body.ts';

const REGISTER_FIELDS =
  'ID Node Address TaggedAddresses NodeMeta Service Check Checks SkipNodeUpdate Datacenter Namespace WriteRequest'.split(
    ' ',
  );
const DEREGISTER_FIELDS = 'Node Address Datacenter ServiceID CheckID Namespace WriteRequest'.split(' ');
const NODE_NAME = /^[^\s/\p{Cc}]{1,128}$/u;

/**
 * PUT /v1/catalog/register: registers on this machine or on an external node; the caller states the checks' results.
 */
export async function registerNode(request: ConsulRequest): Promise<ConsulResponse> {
  const fields = new JsonFields((await readJson(request)) ?? {}, REGISTER_FIELDS);
  requireDatacenter(fields.text('Datacenter'), request.parts);
  const checks = allChecks(fields).map(readStatedCheck);
  const service = fields.has('Service') ? readRegistration(fields.raw('Service'), 'Service') : undefined;
  const own = await isOwn(request, fields.text('Node'));
  await (own ? registerHere(request, service, checks) : registerExternal(request, fields, { service, checks }));
  return json(true);
}

async function registerHere(
  { parts: { local } }: ConsulRequest,
  service: ApiRegistration | undefined,
  checks: readonly StatedCheck[],
): Promise<void> {
  if (service) await local.register(service, { keepChecks: true });
  for (const { instance, check, output } of checks) {
    if (!(await local.registerCheck(instance, check)))
      throw new ConsulError(
        400,
        `Unknown service ID ${JSON.stringify(instance)} for check ID ${JSON.stringify(check.id)}`,
      );
    local.report(check.id, check.status, output);
  }
}

async function registerExternal(
  { parts: { externals } }: ConsulRequest,
  fields: JsonFields,
  { service, checks }: { readonly service: ApiRegistration | undefined; readonly checks: readonly StatedCheck[] },
): Promise<void> {
  const name = fields.text('Node');
  if (!NODE_NAME.test(name))
    throw new ConsulError(400, `Invalid node name ${JSON.stringify(name)}: up to 128 characters without spaces or /`);
  const keepNode = fields.flag('SkipNodeUpdate');
  const address = readAddress(fields);
  if (address === '' && !keepNode) throw new ConsulError(400, 'Must provide address if SkipNodeUpdate is not set');
  if (service && service.checks.length > 0)
    throw new ConsulError(
      400,
      'Nothing runs checks on a node without fleetd: say their status in Checks, beside Service',
    );
  await externals.register({
    node: { name, address, uuid: fields.text('ID'), meta: fields.map('NodeMeta') },
    keepNode,
    ...(service ? { instance: instanceOf(service) } : {}),
    checks: checks.map(({ instance, check: { id, name: title, notes, status }, output }) => {
      return { id, name: title, type: '', notes, status, output, service: instance };
    }),
  });
}

function instanceOf({ checks: _, ...instance }: ApiRegistration) {
  return { ...instance, source: 'api' } as const;
}

/** PUT /v1/catalog/deregister: removes a registration of this machine or of an external node. */
export async function deregisterNode(request: ConsulRequest): Promise<ConsulResponse> {
  const { local, externals } = request.parts;
  const fields = new JsonFields((await readJson(request)) ?? {}, DEREGISTER_FIELDS);
  requireDatacenter(fields.text('Datacenter'), request.parts);
  const node = fields.text('Node');
  const [service, check] = [fields.text('ServiceID'), fields.text('CheckID')];
  if (!(await isOwn(request, node))) {
    await externals.deregister({ node, service, check });
    return json(true);
  }
  if (service !== '') await local.deregister(service);
  if (check !== '') await local.deregisterCheck(check);
  if (service === '' && check === '')
    throw new ConsulError(400, 'A machine cannot be deregistered: it is in the catalog as long as its fleetd is there');
  return json(true);
}

/**
 * True for this machine, false for a node that is no machine; throws for other machines. Each machine writes its
 * records alone, so that they go when it goes.
 */
async function isOwn({ parts: { catalog, machine } }: ConsulRequest, name: string): Promise<boolean> {
  if (name === '') throw new ConsulError(400, 'Must provide node');
  const isNamed = ({ id, name: own }: { readonly id: string; readonly name: string }) =>
    own === name.toLowerCase() || id === name.replaceAll('-', '');
  const find = () => machinesOf(catalog.snapshot).find(isNamed);
  let found = find();
  if (!found) {
    // The machine may have joined a moment ago.
    await catalog.sync();
    found = find();
  }
  if (found && found.id !== machine)
    throw new ConsulError(400, `Node ${JSON.stringify(name)} is another machine: register at its own address`);
  return found !== undefined;
}
