import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { serveTcpConnection } from '../../src/dns/tcp-connection.ts';
import { queryPacket } from '../../src/dns/test-dns.ts';
import { type Clock, systemClock } from '../../src/lib/index.ts';
import { until } from '../../src/lib/test-until.ts';

const REPLY = Buffer.alloc(60_000, 'x');
const LIMIT_BYTES = 128 * 1024;

type Send = (reply: Buffer) => void;

/** A server whose every response is large, and a client of it that has sent `count` questions at once and reads nothing. */
async function deafClient(t: TestContext, count: number, answer: (send: Send) => boolean, clock: Clock = systemClock) {
  const asked: Socket[] = [];
  let peakBytes = 0;
  const server = createServer((socket) => {
    const answerer = {
      answer: (_: Buffer, _transport: string, send: Send) => {
        asked.push(socket);
        const later = answer(send);
        peakBytes = Math.max(peakBytes, socket.writableLength);
        return later;
      },
    };
    serveTcpConnection(socket, answerer, clock);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const client = connect((server.address() as AddressInfo).port, '127.0.0.1').pause();
  t.after(() => {
    client.destroy();
    server.close();
  });
  const packet = queryPacket('many.service.consul');
  const framed = Buffer.concat([Buffer.from([0, packet.length]), packet]);
  client.on('error', () => {}).write(Buffer.concat(Array.from({ length: count }, () => framed)));
  return { client, asked, peakBytes: () => peakBytes };
}

function settled(asked: readonly unknown[]): Promise<unknown> {
  let last = -1;
  return until('no more questions are read', async () => {
    if (asked.length === last) return true;
    last = asked.length;
    await systemClock.sleep(100);
    return false;
  });
}

test('a client of DNS over TCP that reads nothing leaves two responses unread, and gets all once it reads', async (t) => {
  const COUNT = 3000;
  const { client, asked, peakBytes } = await deafClient(t, COUNT, (send) => {
    send(REPLY);
    return false;
  });
  await until('something is asked', () => asked.length > 0);
  await settled(asked);
  assert.ok(asked.length < COUNT, 'the rest waits');
  client.resume();
  await until('all responses come', () => client.bytesRead === COUNT * (REPLY.length + 2));
  assert.equal(asked.length, COUNT);
  assert.ok(peakBytes() <= LIMIT_BYTES, `${peakBytes()} bytes were held`);
});

test('a client that asks for more and more names of other servers has a hundred of them under way', async (t) => {
  const waiting: Send[] = [];
  const { client, asked } = await deafClient(t, 1000, (send) => {
    waiting.push(send);
    return true;
  });
  await until('a hundred are asked', () => asked.length >= 100);
  await settled(asked);
  assert.equal(asked.length, 100);
  client.resume();
  await until('all are asked as responses come', () => {
    for (const send of waiting.splice(0)) send(Buffer.alloc(12));
    return asked.length === 1000;
  });
});

test('a client that does not read for long is ended', async (t) => {
  let idle = () => {};
  const clock: Clock = {
    ...systemClock,
    after: (_ms, fn) => {
      idle = fn;
      return () => {};
    },
  };
  const { asked } = await deafClient(
    t,
    3000,
    (send) => {
      send(REPLY);
      return false;
    },
    clock,
  );
  await until('something is asked', () => asked.length > 0);
  await settled(asked);
  idle();
  assert.ok(asked[0]!.destroyed);
});
