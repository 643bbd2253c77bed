/**
 * The embedded store as a process of its own, asked through the same client that fleetd uses.
 * `npm run bench -- store [--quick]`.
 */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, fdatasyncSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { systemClock as clock, systemRandom as random, silentLog } from '../src/lib/index.ts';
import { freePort } from '../src/lib/test-free-port.ts';
import { RANGE } from '../src/store/etcd-calls.ts';
import { EtcdClient } from '../src/store/etcd-client.ts';
import { openEtcdStore, prefixRange, type Store } from '../src/store/index.ts';
import { type Figure, printFigures } from './figures.ts';

const ROOT = path.resolve(import.meta.dirname, '..');
const VALUE = 'x'.repeat(300);
const KEYS = 1000;

export async function benchStore(quick: boolean): Promise<void> {
  const directory = mkdtempSync(path.join(tmpdir(), 'flotilla-bench-store-'));
  const port = await freePort();
  try {
    printFigures('embedded store: start', [await starts(path.join(directory, 'starts'), port, quick ? 3 : 10)]);
    const { child } = await startStore(path.join(directory, 'data'), port);
    const store = openEtcdStore({ endpoints: [`http://127.0.0.1:${port}`], clock, random, log: silentLog });
    const windows = quick ? 5 : 20;
    printFigures('embedded store: one connection', [
      ...(await puts(store, directory, windows)),
      ...(await reads(store, windows)),
      await watchDelay(store, quick ? 50 : 300),
    ]);
    await store.close();
    await stop(child);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** From starting the process until it has answered a request. */
async function starts(directory: string, port: number, runs: number): Promise<Figure> {
  const samples: number[] = [];
  const floor: number[] = [];
  for (let run = 0; run < runs; run++) {
    const nothing = clock.monotonic();
    await once(spawn(process.execPath, ['-e', '0']), 'close');
    floor.push(clock.monotonic() - nothing);
    const { child, readyMs } = await startStore(directory, port);
    samples.push(readyMs);
    await stop(child);
  }
  return {
    name: 'from start to ready',
    unit: 'ms',
    samples,
    target: 'median < 300',
    floor: { name: 'node -e 0', samples: floor },
  };
}

async function startStore(directory: string, port: number): Promise<{ child: ChildProcess; readyMs: number }> {
  const startedAt = clock.monotonic();
  const args = ['store', '--data-dir', directory, '--listen', `127.0.0.1:${port}`];
  const child = spawn(path.join(ROOT, 'bin/fleetd'), args, { stdio: 'ignore' });
  const store = openEtcdStore({ endpoints: [`http://127.0.0.1:${port}`], clock, random, log: silentLog });
  for (;;) {
    const answered = await store.revision().catch(() => undefined);
    if (answered !== undefined) break;
    if (child.exitCode !== null) throw new Error('the store did not start');
    await clock.sleep(2);
  }
  const readyMs = clock.monotonic() - startedAt;
  await store.close();
  return { child, readyMs };
}

async function stop(child: ChildProcess): Promise<void> {
  child.kill('SIGTERM');
  await once(child, 'close');
}

async function puts(store: Store, directory: string, windows: number): Promise<Figure[]> {
  let count = 0;
  const put = () => store.commit([], [{ put: `bench/${count++ % KEYS}`, value: VALUE }]);
  const syncs = syncTimes(directory, windows);
  const floor = { name: 'fdatasync', samples: syncs };
  const alone = await perRequest(1, windows, put);
  const together = await perRequest(64, windows, put);
  const unit = 'µs each';
  return [
    { name: 'durable puts, one at a time', unit, samples: alone, target: 'median < 1000, or the disk', floor },
    { name: 'durable puts, 64 in flight', unit, samples: together, target: 'median < 1000', floor },
  ];
}

async function reads(store: Store, windows: number): Promise<Figure[]> {
  let count = 0;
  const echoServer = spawn(process.execPath, [fileURLToPath(import.meta.resolve('./store-echo.ts'))], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const endpoint = String((await once(echoServer.stdout, 'data'))[0]).trim();
  const client = new EtcdClient({ endpoints: [endpoint], clock, random, log: silentLog });
  const call = { ...RANGE, response: { decode: (bytes: Uint8Array) => bytes } };
  const echo = await perRequest(64, windows, () => client.call(call, { key: Buffer.from(`bench/${count++ % KEYS}`) }));
  client.close();
  await stop(echoServer);
  const samples = await perRequest(64, windows, () => store.get(`bench/${count++ % KEYS}`));
  const lists = await perRequest(1, windows, () => store.list(prefixRange('bench/')));
  return [
    {
      name: 'reads, 64 in flight',
      unit: 'µs each',
      samples,
      target: 'median < 100',
      floor: { name: 'echo', samples: echo },
    },
    { name: `list of ${KEYS} entries`, unit: 'µs each', samples: lists },
  ];
}

/** From sending a commit until a watch has told of it. */
async function watchDelay(store: Store, runs: number): Promise<Figure> {
  const stopping = new AbortController();
  const watch = store.watch(prefixRange('delay/'), await store.revision(), stopping.signal)[Symbol.asyncIterator]();
  const samples: number[] = [];
  for (let run = 0; run < runs; run++) {
    const startedAt = clock.monotonic();
    const committed = store.commit([], [{ put: 'delay/k', value: VALUE }]);
    while ((await watch.next()).value.events.length === 0);
    samples.push((clock.monotonic() - startedAt) * 1000);
    await committed;
  }
  stopping.abort();
  return { name: 'from commit to watch event', unit: 'µs', samples };
}

const WINDOW_MS = 200;

/** Keeps so many requests in flight; answers the µs per request of each window of time. */
async function perRequest(inFlight: number, windows: number, request: () => Promise<unknown>): Promise<number[]> {
  let done = 0;
  let running = true;
  const workers = Array.from({ length: inFlight }, async () => {
    while (running) {
      await request();
      done++;
    }
  });
  await clock.sleep(WINDOW_MS);
  const samples: number[] = [];
  while (samples.length < windows) {
    const [startedAt, before] = [clock.monotonic(), done];
    await clock.sleep(WINDOW_MS);
    samples.push(((clock.monotonic() - startedAt) * 1000) / Math.max(1, done - before));
  }
  running = false;
  await Promise.all(workers);
  return samples;
}

/** µs that the disk takes to make a small write durable, per window. */
function syncTimes(directory: string, windows: number): number[] {
  const file = openSync(path.join(directory, 'sync'), 'w');
  const bytes = Buffer.from(VALUE);
  const samples: number[] = [];
  while (samples.length < windows) {
    const startedAt = clock.monotonic();
    let count = 0;
    for (; clock.monotonic() - startedAt < WINDOW_MS / 2; count++) {
      writeSync(file, bytes);
      fdatasyncSync(file);
    }
    samples.push(((clock.monotonic() - startedAt) * 1000) / count);
  }
  closeSync(file);
  return samples;
}
