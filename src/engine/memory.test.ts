import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { Liveness } from './liveness.ts';
import { TestCluster } from './test-cluster.ts';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

/** Returns by how many bytes `rounds` calls of `live` made the heap grow for good. */
function growth(rounds: number, live: (round: number) => void): number {
  const used = () => {
    collect();
    return process.memoryUsage().heapUsed;
  };
  for (let round = 0; round < rounds / 10; round++) live(-1 - round);
  const before = used();
  for (let round = 0; round < rounds; round++) live(round);
  return used() - before;
}

test('machines that never return leave nothing behind in a scheduler', () => {
  const cluster = new TestCluster();
  cluster.machine('stays');
  cluster.unit('everywhere.service', { global: true });
  const grown = growth(5000, (round) => {
    const id = `m${round}`;
    cluster.unit(`u${round}.service`, { machineId: id });
    cluster.machine(id);
    cluster.run();
    cluster.kill(id);
    cluster.destroy(`u${round}.service`);
    cluster.run();
    cluster.placements.delete(`u${round}.service`);
  });
  assert.ok(grown < 1_000_000, `grown by ${grown} bytes`);
});

test('liveness forgets machines that never return', () => {
  const liveness = new Liveness(5000, 0);
  const grown = growth(20_000, (round) => {
    liveness.joined(`a machine with a long name, ${round}`, 10_000);
    liveness.gone(`a machine with a long name, ${round}`, 20_000);
  });
  assert.ok(grown < 500_000, `grown by ${grown} bytes`);
  assert.equal(liveness.isDead('a machine with a long name, 7', 20_001), true);
});
