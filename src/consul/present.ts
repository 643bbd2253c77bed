import type { CatalogInstance, CatalogNode, ServiceCheck, ServiceInstance } from '../services/index.ts';

/** The shapes of Consul's answers. */

/** A machine id, 32 hexadecimal digits, as the UUID that Consul's clients expect. */
function uuidOf(id: string): string {
  return id.replace(/^(.{8})(.{4})(.{4})(.{4})(.+)$/, '$1-$2-$3-$4-$5');
}

function taggedAddresses(address: string): Readonly<Record<string, string>> {
  const family = address.includes(':') ? 'ipv6' : 'ipv4';
  return { lan: address, [`lan_${family}`]: address, wan: address, [`wan_${family}`]: address };
}

export function nodeShape(node: CatalogNode, datacenter: string) {
  const { id, name, address, meta, createRevision, modifyRevision } = node;
  return {
    ID: uuidOf(id),
    Node: name,
    Address: address,
    Datacenter: datacenter,
    TaggedAddresses: taggedAddresses(address),
    Meta: meta,
    CreateIndex: createRevision,
    ModifyIndex: modifyRevision,
  };
}

/** A service within an answer about its node or its health. */
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

export function checkShape(check: ServiceCheck, instance: ServiceInstance & Partial<CatalogInstance>, node: string) {
  const { createRevision = 0, modifyRevision = 0 } = instance;
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

/** That the machine is there: it is in the catalog as long as its lease lasts, so this check passes whenever it is seen. */
export function nodeCheck(node: CatalogNode) {
  return {
    Node: node.name,
    CheckID: 'serfHealth',
    Name: 'Serf Health Status',
    Status: 'passing',
    Notes: '',
    Output: 'Agent alive and reachable',
    ServiceID: '',
    ServiceName: '',
    ServiceTags: [],
    Type: '',
    Definition: {},
    CreateIndex: node.createRevision,
    ModifyIndex: node.modifyRevision,
  };
}

/** An instance in /v1/health/service/NAME. */
export function healthShape(instance: CatalogInstance, node: CatalogNode, datacenter: string) {
  return {
    Node: nodeShape(node, datacenter),
    Service: serviceShape(instance),
    Checks: [nodeCheck(node), ...instance.checks.map((check) => checkShape(check, instance, node.name))],
  };
}
