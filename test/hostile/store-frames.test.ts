import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { METHODS } from '../../src/store/proto/index.ts';
import { type ChildStore, startChild } from '../contract/store-child.ts';
import { connectTo } from '../contract/store-servers.ts';
import { END_HEADERS, END_STREAM, frame, headers, PREFACE, TYPE } from './http2-frames.ts';

function reset(stream: number, code: number): Buffer {
  const payload = Buffer.alloc(4);
  payload.writeUInt32BE(code);
  return frame(TYPE.reset, 0, stream, payload);
}

/** An empty gRPC message: of a range, a request without a key; of a watch and of keep-alives, one with nothing to do. */
const MESSAGE = Buffer.alloc(5);

/** Ways to leave a call of a method half-way. */
const TRICKS: Readonly<Record<string, (method: string) => Buffer[]>> = {
  'headers, then a reset without an error': (method) => [
    frame(TYPE.headers, END_HEADERS, 1, headers(method)),
    reset(1, 0),
  ],
  'headers, then a reset because of cancellation': (method) => [
    frame(TYPE.headers, END_HEADERS, 1, headers(method)),
    reset(1, 8),
  ],
  'a whole request, then a reset': (method) => [
    frame(TYPE.headers, END_HEADERS, 1, headers(method)),
    frame(TYPE.data, END_STREAM, 1, MESSAGE),
    reset(1, 0),
  ],
  'a message without an end, then a reset': (method) => [
    frame(TYPE.headers, END_HEADERS, 1, headers(method)),
    frame(TYPE.data, 0, 1, MESSAGE),
    reset(1, 0),
  ],
  'headers that end the stream, then a reset': (method) => [
    frame(TYPE.headers, END_HEADERS | END_STREAM, 1, headers(method)),
    reset(1, 0),
  ],
  'a message longer than it says, then a reset': (method) => [
    frame(TYPE.headers, END_HEADERS, 1, headers(method)),
    frame(TYPE.data, 0, 1, Buffer.from([0, 0xff, 0xff, 0xff, 0xff])),
    reset(1, 0),
  ],
  'forty streams, all reset': (method) =>
    Array.from({ length: 40 }, (_, at) => 2 * at + 1).flatMap((stream) => [
      frame(TYPE.headers, END_HEADERS, stream, headers(method)),
      frame(TYPE.data, 0, stream, MESSAGE),
      reset(stream, 0),
    ]),
};

async function childStore(t: TestContext): Promise<ChildStore> {
  const directory = mkdtempSync(path.join(tmpdir(), 'flotilla-frames-'));
  const store = await startChild(directory);
  t.after(async () => {
    await store.kill();
    rmSync(directory, { recursive: true, force: true });
  });
  return store;
}

/** Sends the frames, in one write or each in its own, and closes: at once, or when the store has dealt with them. */
async function send(port: number, frames: readonly Buffer[], how: 'at once' | 'one by one'): Promise<void> {
  const socket = net.connect(port, '127.0.0.1');
  socket.on('error', () => {});
  socket.setNoDelay();
  await once(socket, 'connect');
  const all = [PREFACE, frame(TYPE.settings, 0, 0), ...frames];
  if (how === 'at once') {
    socket.end(Buffer.concat(all));
    socket.resume();
    await once(socket, 'close');
    return;
  }
  for (const one of all) await new Promise((resolve) => socket.write(one, resolve));
  // The acknowledgement of a ping says that what came before has been read.
  socket.write(frame(TYPE.ping, 0, 0, Buffer.alloc(8)));
  await new Promise<void>((resolve) => {
    let heard = Buffer.alloc(0);
    socket.on('data', (chunk: Buffer) => {
      heard = Buffer.concat([heard, chunk]);
      if (heard.includes(frame(TYPE.ping, 1, 0, Buffer.alloc(8)))) resolve();
    });
    socket.on('close', () => resolve());
  });
  socket.destroy();
}

test('no stream that is broken off ends the store', async (t) => {
  const store = await childStore(t);
  const client = connectTo(store.endpoint);
  t.after(() => client.close());
  for (const method of [METHODS.range, METHODS.txn, METHODS.watch, METHODS.leaseKeepAlive, '/no/such'])
    for (const [trick, frames] of Object.entries(TRICKS))
      for (const how of ['at once', 'one by one'] as const) {
        await send(store.port, frames(method), how);
        const revision = await client.revision().catch((error: Error) => error.message);
        assert.equal(typeof revision, 'number', `${trick}, ${how}, at ${method}: ${revision}`);
      }
});
