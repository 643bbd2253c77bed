import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { systemClock as clock } from '../../lib/index.ts';
import { runProbe } from './index.ts';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

test('a check whose program is missing leaves no memory behind', async () => {
  const stopped = new AbortController();
  const probe = { type: 'script', args: ['/no/such/program'], env: {}, intervalMs: 1000, timeoutMs: 1000 } as const;
  const look = async (times: number) => {
    for (let time = 0; time < times; time++) {
      const signal = AbortSignal.any([stopped.signal, new AbortController().signal]);
      await assert.rejects(runProbe(probe, signal), { code: 'ENOENT' });
    }
  };
  const used = async () => {
    for (let time = 0; time < 3; time++) {
      await clock.sleep(20);
      collect();
    }
    return process.memoryUsage().heapUsed;
  };
  await look(40);
  const before = await used();
  await look(150);
  const grown = (await used()) - before;
  assert.ok(grown < 300_000, `grown by ${grown} bytes`);
});
