import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import fc from 'fast-check';
import { NO_NEEDS } from '../model/index.ts';
import { hashUnit, serializeUnitFile } from '../unitfile/index.ts';
import { type ApiTestCluster, ask, openTestApi, openTestCluster, service, type TestApi } from './test-api.ts';

const UNITS = 10_000;
/** Store, cluster and API share this process, which on a busy computer reads ten thousand units for seconds. */
const PATIENT = { storeTimeoutMs: 120_000 };
let cluster: ApiTestCluster;
let api: TestApi;
let names: string[];

before(async () => {
  cluster = await openTestCluster(PATIENT.storeTimeoutMs);
  api = await openTestApi({ ...PATIENT, on: cluster });
  names = Array.from({ length: UNITS }, (_, i) => `unit-${i}@x.service`).sort();
  await fill(names);
});
after(async () => {
  await api.close();
  await cluster.close();
});

/** Units of one template, and every tenth with a file of its own. */
async function fill(all: readonly string[]): Promise<void> {
  for (let at = 0; at < all.length; at += 200) {
    const batch = all.slice(at, at + 200).map((name, i) => {
      const options = i % 10 === 0 ? service(`MachineMetadata=name=${name}`) : service();
      const unit = { name, hash: hashUnit(options), desired: 'inactive' as const, needs: NO_NEEDS };
      return api.cluster.putUnit(unit, serializeUnitFile(options), undefined);
    });
    await Promise.all(batch);
  }
}

test('ten thousand units are one list, in order and complete', async () => {
  const { json, text } = await ask(`${api.url}/fleet/v1/units?all=true`);
  assert.ok(json.units, text);
  assert.deepEqual(
    json.units.map(({ name }: { name: string }) => name),
    names,
  );
  assert.ok(json.units.every(({ options }: { options: unknown[] }) => options.length >= 2));
  const summaries = await ask(`${api.url}/fleet/v1/summaries`);
  assert.equal(summaries.json.units.length, UNITS);
});

test('a list that did not change is sent from memory', async () => {
  const ask = async () => (await api.api.fetch(new Request('http://x/fleet/v1/units?all=true'))).arrayBuffer();
  const list: unknown = JSON.parse(Buffer.from(await ask()).toString());
  const [sent, built]: [number[], number[]] = [[], []];
  // In turns, so that what else the computer does meets both.
  for (let i = 0; i < 30; i++) {
    sent.push(await timed(ask));
    built.push(await timed(() => Buffer.from(JSON.stringify(list))));
  }
  assert.ok(median(sent) < median(built), `sent in ${median(sent)} ms, written as JSON in ${median(built)} ms`);
});

async function timed(work: () => unknown): Promise<number> {
  const startMs = performance.now();
  await work();
  return performance.now() - startMs;
}

function median(samples: readonly number[]): number {
  return samples.toSorted((a, b) => a - b)[samples.length >> 1]!;
}

test('the pages of any size hold every unit once and in order', async () => {
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 300, max: 4000 }), async (tokenLimit) => {
      const paged = await openTestApi({ ...PATIENT, on: api, tokenLimit });
      const seen: string[] = [];
      for (let token: string | undefined = ''; token !== undefined; ) {
        const query: string = token === '' ? '' : `?nextPageToken=${token}`;
        const { json } = await ask(`${paged.url}/fleet/v1/units${query}`);
        seen.push(...json.units.map(({ name }: { name: string }) => name));
        token = json.nextPageToken;
      }
      await paged.close();
      assert.deepEqual(seen, names);
    }),
    { numRuns: 3 },
  );
});

test('a stream nobody reads owes each unit once, however often it changes', async () => {
  const response = await api.api.fetch(new Request('http://x/fleet/v1/events'));
  const reader = response.body!.getReader();
  const read = async (until: (text: string) => boolean) => {
    let text = '';
    const decoder = new TextDecoder();
    while (!until(text)) text += decoder.decode((await reader.read()).value, { stream: true });
    return text;
  };
  const snapshot = await read((text) => text.includes('"type":"ready"'));
  assert.equal(snapshot.split('"type":"unit"').length - 1, UNITS);
  const changing = names.slice(0, 20);
  for (let round = 0; round < 20; round++) {
    const desired = round % 2 === 0 ? 'loaded' : 'inactive';
    await Promise.all(changing.map((name) => api.cluster.setDesired(name, desired)));
  }
  await Promise.all(changing.map((name) => api.cluster.setDesired(name, 'launched')));
  await ask(`${api.url}/fleet/v1/machines`);
  const last = JSON.stringify(changing.at(-1));
  const changes = await read((text) => text.includes(`"name":${last}`) && text.endsWith('\n\n'));
  // One piece may have been made before.
  assert.ok(changes.split('"type":"unit"').length - 1 <= 2 * changing.length);
  assert.ok(changes.split('"desiredState":"launched"').length - 1 <= 2 * changing.length);
  await reader.cancel();
});
