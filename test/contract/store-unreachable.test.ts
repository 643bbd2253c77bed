import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemClock as clock, createLog, systemRandom as random } from '../../src/lib/index.ts';
import { freePort } from '../../src/lib/test-free-port.ts';
import { openEtcdStore } from '../../src/store/index.ts';
import { eventually, startEmbedded } from './store-servers.ts';

test('a store that cannot be reached is logged once, and again when it can be', async (t) => {
  const port = await freePort();
  const lines: string[] = [];
  const log = createLog((line) => lines.push(line));
  const store = openEtcdStore({ endpoints: [`http://127.0.0.1:${port}`], clock, random, log });
  t.after(() => store.close());
  // Each tries for a second, many times.
  for (let at = 0; at < 3; at++) await assert.rejects(store.revision());
  assert.equal(
    lines.filter((line) => line.startsWith('WARN Cannot reach a store endpoint')).length,
    1,
    lines.join('\n'),
  );
  const server = await startEmbedded({ port });
  t.after(() => server.stop());
  await eventually(() => store.revision());
  const again = lines.filter((line) => line.startsWith('INFO Reached a store endpoint again'));
  assert.equal(again.length, 1);
  assert.match(again[0]!, /failures=\d+ seconds=\d+$/);
});
