import type { CatalogCheck, CatalogInstance, CatalogNode, ServiceCheck, ServiceInstance } from '../services/index.ts';

/** The JSON shapes of Consul's responses. */

/** The name of the check that every machine has. */
export const NODE_CHECK = 'serfHealth';

function taggedAddresses(address: string): Readonly<Record<string, string>> {
  const family = address.includes(':') ? 'ipv6' : 'ipv4';
  return { lan: address, [`lan_${family}`]: address, wan: address, [`wan_${family}`]: address };
}

export function nodeShape(node: CatalogNode, datacenter: string) {
  const { uuid, name, address, meta, createRevision, modifyRevision } = node;
  return {
    ID: uuid,
    Node: name,
    Address: address,
    Datacenter: datacenter,
    TaggedAddresses: taggedAddresses(address),
    Meta: meta,
    CreateIndex: createRevision,
    ModifyIndex: modifyRevision,
  };
}

/** A service inside a response about its node or its health. */
export function serviceShape(instance: ServiceInstance & Partial<CatalogInstance>) {
  const { id, name, tags, address, port, meta, weights, enableTagOverride, createRevision, modifyRevision } = instance;
  return {
    ID: id,
    Service: name,
    Tags: tags,
    Address: address,
    Meta: meta,
    Port: port,
    Weights: { Passing: weights.passing, Warning: weights.warning },
    EnableTagOverride: enableTagOverride,
    ...(createRevision === undefined ? {} : { CreateIndex: createRevision, ModifyIndex: modifyRevision }),
  };
}

/** An instance in /v1/catalog/service/NAME. */
export function catalogServiceShape(instance: CatalogInstance, node: CatalogNode, datacenter: string) {
  const { Meta: NodeMeta, CreateIndex: _, ModifyIndex: __, ...nodeFields } = nodeShape(node, datacenter);
  const service = serviceShape(instance);
  return {
    ...nodeFields,
    NodeMeta,
    ServiceKind: '',
    ServiceID: service.ID,
    ServiceName: service.Service,
    ServiceTags: service.Tags,
    ServiceAddress: service.Address,
    ServiceWeights: service.Weights,
    ServiceMeta: service.Meta,
    ServicePort: service.Port,
    ServiceEnableTagOverride: service.EnableTagOverride,
    CreateIndex: instance.createRevision,
    ModifyIndex: instance.modifyRevision,
  };
}

/** The instance of a check; absent for a check of its node. */
interface CheckedInstance {
  readonly id: string;
  readonly name: string;
  readonly tags: readonly string[];
  readonly createRevision?: number;
  readonly modifyRevision?: number;
}

export function checkShape(check: ServiceCheck & Partial<CatalogCheck>, instance: CheckedInstance, node: string) {
  const { createRevision = 0, modifyRevision = 0 } = check.createRevision === undefined ? instance : check;
  return {
    Node: node,
    CheckID: check.id,
    Name: check.name,
    Status: check.status,
    Notes: check.notes,
    Output: check.output,
    ServiceID: instance.id,
    ServiceName: instance.name,
    ServiceTags: instance.tags,
    Type: check.type,
    Definition: {},
    CreateIndex: createRevision,
    ModifyIndex: modifyRevision,
  };
}

const NO_INSTANCE: CheckedInstance = { id: '', name: '', tags: [] };

/** A check of a node as a whole. */
export function nodeCheckShape(check: ServiceCheck, node: string) {
  return checkShape(check, NO_INSTANCE, node);
}

/**
 * Lists the checks of a whole node. The first one means that the machine is present: the catalog holds a machine as
 * long as its lease lasts, so that it always passes. External nodes have no such check, since no lease stands for them.
 */
export function nodeCheckShapes(node: CatalogNode, checks: readonly CatalogCheck[]) {
  const shapes = checks.map((check) => nodeCheckShape(check, node.name));
  return node.kind === 'external' ? shapes : [presenceShape(node), ...shapes];
}

function presenceShape({ name, createRevision, modifyRevision }: CatalogNode) {
  const [status, output] = ['passing', 'Agent alive and reachable'] as const;
  const check = { id: NODE_CHECK, name: 'Serf Health Status', type: '', status, output, notes: '' };
  return nodeCheckShape({ ...check, ...{ createRevision, modifyRevision } }, name);
}

/** An instance in /v1/health/service/NAME. */
export function healthShape(instance: CatalogInstance, node: CatalogNode, datacenter: string) {
  const own = instance.checks.map((check) => checkShape(check, instance, node.name));
  return {
    Node: nodeShape(node, datacenter),
    Service: serviceShape(instance),
    Checks: [...nodeCheckShapes(node, instance.nodeChecks ?? []), ...own],
  };
}
