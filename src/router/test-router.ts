import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import type { TestContext } from 'node:test';
import { type Clock, systemRandom as random, silentLog, systemClock } from '../lib/index.ts';
import type { Catalog, CatalogInstance, CatalogSnapshot } from '../services/index.ts';
import { openRouter, type Router, type RouterSettings } from './index.ts';

export type Plane = RouterSettings['plane'];

const FLEETD = path.join(import.meta.dirname, '../daemon/main.ts');

/** Settings for any free port, with timeouts for a slow computer. */
export const SETTINGS: RouterSettings = {
  plane: 'process',
  listen: [{ host: '127.0.0.1', port: 0 }],
  listenTls: [],
  certificates: '',
  redirectToTls: false,
  index: false,
  proxyProtocol: false,
  accessLog: '',
  answerTimeoutMs: 20_000,
  connectTimeoutMs: 2000,
  maxFailures: 3,
  restMs: 60_000,
  clientTimeoutMs: 10_000,
};

/** A catalog in memory; `set` replaces the instances of `web`. */
export class MemoryCatalog implements Catalog {
  snapshot: CatalogSnapshot = this.#state(1, new Map(), new Map());
  readonly #listeners = new Set<(snapshot: CatalogSnapshot) => void>();

  set(...ports: number[]): void {
    const revision = this.snapshot.revision + 1;
    const instances = ports.map((port) => webInstance(port));
    const names = { id: 'm1', kind: 'machine', name: 'm1', uuid: 'm1' } as const;
    const node = { ...names, address: '127.0.0.1', meta: {}, createRevision: 1, modifyRevision: 1 };
    const services = new Map(ports.length > 0 ? [['web', instances]] : []);
    this.snapshot = this.#state(revision, new Map([['m1', node]]), services);
    for (const listener of this.#listeners) listener(this.snapshot);
  }

  #state(revision: number, nodes: CatalogSnapshot['nodes'], services: CatalogSnapshot['services']): CatalogSnapshot {
    const revisionOf = () => revision;
    return { revision, nodes, services, nodeChecksOf: () => [], revisionOf, revisionOfNode: revisionOf };
  }

  onChange(listener: (snapshot: CatalogSnapshot) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async sync(): Promise<void> {}
}

function webInstance(port: number): CatalogInstance {
  return {
    machine: 'm1',
    id: `web-${port}`,
    name: 'web',
    address: '127.0.0.1',
    port,
    tags: ['http'],
    meta: {},
    weights: { passing: 1, warning: 1 },
    enableTagOverride: false,
    source: 'unit',
    routes: [],
    checks: [],
    createRevision: 1,
    modifyRevision: 1,
  };
}

const opened: Router[] = [];

export function temporary(t: TestContext): string {
  const directory = mkdtempSync(path.join(os.tmpdir(), 'router-'));
  t.after(async () => {
    // Close before the directory goes: the router finds its processes by their records there.
    await Promise.all(opened.splice(0).map((router) => router.close()));
    rmSync(directory, { recursive: true, force: true });
  });
  return directory;
}

export function open(
  plane: Plane,
  catalog: Catalog,
  directory: string,
  port: number,
  clock: Clock = systemClock,
): Router {
  const settings: RouterSettings = { ...SETTINGS, plane, listen: [{ host: '127.0.0.1', port }] };
  const spawn = { command: process.execPath, args: [...process.execArgv, FLEETD, 'router', '--dir', directory] };
  const router = openRouter({ settings, directory, catalog, spawn, clock, random, log: silentLog });
  opened.push(router);
  return router;
}
