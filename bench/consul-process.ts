/** Consul's API over a machine on a store of its own, or (`bare`) a server that answers as many bytes. Prints its port. */
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Presence } from '../src/agent/index.ts';
import { openCluster } from '../src/cluster/index.ts';
import { serveConsul } from '../src/consul/index.ts';
import { openKv } from '../src/kv/index.ts';
import { systemClock as clock, silentLog as log, systemRandom as random } from '../src/lib/index.ts';
import { ExternalNodes, LocalServices, openCatalog, runProbe, ServicePublisher } from '../src/services/index.ts';
import { startEmbeddedStore } from '../src/store/embedded/index.ts';
import { openEtcdStore } from '../src/store/index.ts';

/** About what the health of ten instances takes. */
const BODY = Buffer.alloc(7000, 'x');

process.on('SIGTERM', () => process.exit());
if (process.argv[2] === 'bare') {
  const server = createServer((_, response) => {
    response.writeHead(200, { 'Content-Type': 'application/json', 'Content-Length': BODY.length });
    response.end(BODY);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  console.log((server.address() as AddressInfo).port);
} else {
  const directory = mkdtempSync(path.join(tmpdir(), 'flotilla-bench-consul-'));
  process.on('exit', () => rmSync(directory, { recursive: true, force: true }));
  const { signal } = new AbortController();
  const common = { clock, random, log, signal };
  const embedded = await startEmbeddedStore({
    directory: path.join(directory, 'store'),
    host: '127.0.0.1',
    port: 0,
    ...common,
  });
  const store = openEtcdStore({ endpoints: [embedded.endpoint], ...common });
  const cluster = openCluster({ store, prefix: '/bench/', ...common });
  const id = 'b'.repeat(32);
  const resources = { cores: 1, memoryBytes: 1 };
  const machine = () => ({ id, name: 'bench', address: '127.0.0.1', metadata: {}, resources, version: '' });
  const memory = { load: () => undefined, save: () => {} };
  const presence = new Presence({ cluster, machine, token: 't', ttlMs: 10_000, memory, ...common });
  const file = path.join(directory, 'services.json');
  const local = new LocalServices({
    machine,
    sources: [],
    file,
    probe: runProbe,
    drainMs: 0,
    unitOf: () => undefined,
    unitContainersOnly: false,
    scriptChecks: { api: false, container: false },
    ...common,
  });
  new ServicePublisher({ cluster, presence, local, ...common });
  const catalog = openCatalog({ cluster, ...common });
  const kv = openKv({ store, prefix: '/bench/', ...common });
  const externals = new ExternalNodes({ cluster, catalog });
  const parts = { catalog, local, externals, kv, machine: id, datacenter: 'dc1', leader: async () => id, ...common };
  const server = await serveConsul({ ...parts, listen: [{ host: '127.0.0.1', port: 0 }] });
  console.log(server.addresses[0]!.port);
}
