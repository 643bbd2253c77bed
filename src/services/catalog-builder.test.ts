import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { CatalogChange, CatalogRecords } from '../cluster/index.ts';
import { externalNodeId } from '../model/index.ts';
import type { CatalogSnapshot } from './catalog.ts';
import { CatalogBuilder } from './catalog-builder.ts';
import { machine, registration } from './test-services.ts';

/** Records as a view keeps them, which the test changes. */
class LiveRecords {
  revision = 1;
  readonly machines = new Map();
  readonly externals = new Map();
  readonly instances = new Map<string, Map<string, object>>();
  readonly checks = new Map<string, Map<string, object>>();

  /** Sets or removes a record; returns the change as a view reports it. */
  change({ kind, node, id, name, away }: Step): CatalogChange {
    this.revision++;
    const ofNode = nodeId(node);
    const map = this.#mapOf(kind, ofNode);
    const key = kind === 'machine' || kind === 'external' ? nodeId({ ...node, external: kind === 'external' }) : id;
    const before = map.get(key);
    const revisions = { createRevision: before?.createRevision ?? this.revision, modifyRevision: this.revision };
    const after = away ? undefined : { ...this.#record(kind, ofNode, { id, name, key }), ...revisions };
    if (after) map.set(key, after);
    else map.delete(key);
    return { kind, node: ofNode, id: key, before, after } as unknown as CatalogChange;
  }

  // biome-ignore lint/suspicious/noExplicitAny: records of four kinds.
  #mapOf(kind: Step['kind'], node: string): Map<string, any> {
    if (kind === 'machine') return this.machines;
    if (kind === 'external') return this.externals;
    const all = kind === 'instance' ? this.instances : this.checks;
    const map = all.get(node) ?? new Map();
    all.set(node, map);
    return map;
  }

  #record(kind: Step['kind'], node: string, { id, name, key }: { id: string; name: string; key: string }): object {
    if (kind === 'machine') return machine(key, { name: key, address: `10.0.0.${name.length}` });
    const external = { name: key.slice(key.indexOf(':') + 1), address: name, uuid: '', meta: {} };
    if (kind === 'external') return external;
    if (kind === 'instance') return { ...registration(id, { name }), machine: node, address: '', checks: [] };
    return {
      id,
      name,
      type: '',
      status: name.length % 2 ? 'passing' : 'critical',
      output: '',
      notes: '',
      service: name,
    };
  }
}

interface Step {
  readonly kind: 'machine' | 'external' | 'instance' | 'check';
  readonly node: { readonly name: string; readonly external: boolean };
  readonly id: string;
  /** The name of a service; of a check the id of its instance, or empty. */
  readonly name: string;
  readonly away: boolean;
}

const nodeId = ({ name, external }: Step['node']) => (external ? externalNodeId(name) : name);

const steps = fc.array(
  fc.record<Step>({
    kind: fc.constantFrom('machine', 'external', 'instance', 'instance', 'check', 'check'),
    // A machine and an external node may have the same name.
    node: fc.record({ name: fc.constantFrom('m1', 'm2'), external: fc.boolean() }),
    id: fc.constantFrom('a', 'bb'),
    name: fc.constantFrom('', 'a', 'bb'),
    away: fc.boolean(),
  }),
  { maxLength: 40 },
);

function shown({ nodes, services, nodeChecksOf }: CatalogSnapshot) {
  const byKey = <T>(map: ReadonlyMap<string, T>) => Object.fromEntries([...map].sort(([a], [b]) => (a < b ? -1 : 1)));
  const checks = new Map([...nodes.keys()].map((id) => [id, nodeChecksOf(id)]));
  return { nodes: byKey(nodes), services: byKey(services), checks: byKey(checks) };
}

function ofService({ nodes, services }: CatalogSnapshot, name: string): string {
  return JSON.stringify((services.get(name) ?? []).map((instance) => [instance, nodes.get(instance.machine)!.address]));
}

function ofNode({ nodes, services, nodeChecksOf }: CatalogSnapshot, id: string): string {
  const instances = [...services.values()].flat().filter(({ machine: on }) => on === id);
  return JSON.stringify([nodes.get(id), instances.sort((a, b) => (a.id < b.id ? -1 : 1)), nodeChecksOf(id)]);
}

test('after any changes the snapshot equals a fresh one, and each index increases with what it covers', () => {
  fc.assert(
    fc.property(steps, (all) => {
      const records = new LiveRecords();
      const live = records as unknown as CatalogRecords;
      const builder = new CatalogBuilder();
      builder.begin(live);
      let before = builder.snapshot();
      for (const step of all) {
        builder.apply(records.revision + 1, [records.change(step)]);
        const after = builder.snapshot();
        const anew = new CatalogBuilder();
        anew.begin(live);
        assert.deepEqual(shown(after), shown(anew.snapshot()));
        const names = [...after.nodes.values()].map(({ name }) => name);
        assert.equal(new Set(names).size, names.length);
        for (const id of new Set([...before.nodes.keys(), ...after.nodes.keys()])) {
          const moved = after.revisionOfNode(id) > before.revisionOfNode(id);
          if (ofNode(before, id) !== ofNode(after, id)) assert.ok(moved, `${id} moves`);
        }
        for (const name of ['a', 'bb']) {
          const moved = after.revisionOf(name) > before.revisionOf(name);
          if (ofService(before, name) !== ofService(after, name)) assert.ok(moved, `${name} moves`);
        }
        before = after;
      }
    }),
    { numRuns: 300 },
  );
});
