import { machinesOf } from './catalog-lookups.ts';
import { type ConsulRequest, type ConsulRoute, json } from './exchange.ts';

/** The port of Consul's servers among themselves; clients only check that there is one. */
const SERVER_PORT = 8300;

export function statusRoutes(): ConsulRoute[] {
  return [
    { path: '/v1/status/leader', methods: { GET: leader } },
    { path: '/v1/status/peers', methods: { GET: peers } },
  ];
}

async function leader({ parts }: ConsulRequest) {
  const node = parts.catalog.snapshot.nodes.get((await parts.leader()) ?? '');
  return json(node ? `${node.address}:${SERVER_PORT}` : '');
}

function peers({ parts }: ConsulRequest) {
  return json(machinesOf(parts.catalog.snapshot).map(({ address }) => `${address}:${SERVER_PORT}`));
}
