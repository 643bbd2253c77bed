import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import { constants, type Http2Session } from 'node:http2';
import { type TestContext, test } from 'node:test';
import { GrpcClient } from '../../../test/hostile/grpc-client.ts';
import { systemClock } from '../../lib/index.ts';
import { serveGrpc } from './server.ts';
import { STATUS } from './status.ts';
import { UnreadBudget, type UnreadBudgetLimits } from './unread-budget.ts';

const LIMITS: UnreadBudgetLimits = { sessionBytes: 100, serverBytes: 250, requestBytes: 50, streamBytes: 1000 };

class TestSession extends EventEmitter {
  destroyed = false;
  destroy(): void {
    this.destroyed = true;
    this.emit('close');
  }
}

function openSession(budget: UnreadBudget): TestSession & Http2Session {
  const session = new TestSession() as TestSession & Http2Session;
  budget.open(session);
  return session;
}

test('requests of a connection wait while it has too much unread, and go on one by one as it reads', async () => {
  const budget = new UnreadBudget(LIMITS);
  const session = openSession(budget);
  const done: number[] = [];
  for (const response of [100, 1, 60, 1])
    budget.whenRoom(session, () => {
      done.push(response);
      budget.addUnread(session, response);
    });
  assert.deepEqual(done, [100, 1], 'at the limit there is room, above it none');
  const reads = async (bytes: number) => {
    budget.removeUnread(session, bytes);
    await new Promise(setImmediate);
  };
  await reads(1);
  assert.deepEqual(done, [100, 1, 60]);
  await reads(59);
  assert.deepEqual(done, [100, 1, 60], '101 wait');
  await reads(1);
  assert.deepEqual(done, [100, 1, 60, 1]);
});

test('of all connections the one with the most unread is ended, and what it had counts no more', () => {
  const budget = new UnreadBudget(LIMITS);
  const [small, large, last] = [openSession(budget), openSession(budget), openSession(budget)];
  budget.addUnread(small, 90);
  budget.addUnread(large, 120);
  budget.addUnread(last, 40);
  assert.ok(!large.destroyed, '250 are allowed');
  budget.addUnread(last, 1);
  assert.deepEqual(
    [small, large, last].map(({ destroyed }) => destroyed),
    [false, true, false],
  );
  budget.addUnread(last, 118);
  assert.ok(!last.destroyed, '249 are left after the end of the other');
  budget.addUnread(small, 2);
  assert.deepEqual([small.destroyed, last.destroyed], [false, true]);
});

test('requests without a response are refused above the limit of their connection, and take nothing then', () => {
  const budget = new UnreadBudget(LIMITS);
  const [session, other] = [openSession(budget), openSession(budget)];
  assert.equal(budget.addRequest(session, 50), true);
  assert.equal(budget.addRequest(session, 1), false);
  assert.equal(budget.addRequest(other, 50), true, 'each connection has its own');
  budget.removeRequest(session, 10);
  assert.equal(budget.addRequest(session, 10), true);
  session.destroy();
  assert.equal(budget.addRequest(session, 1), false, 'it is gone');
});

test('a connection that has gone has nothing done for it any more', () => {
  const budget = new UnreadBudget(LIMITS);
  const session = openSession(budget);
  budget.addUnread(session, 101);
  budget.whenRoom(session, () => assert.fail('it ran'));
  session.destroy();
  budget.removeUnread(session, 101);
  budget.whenRoom(session, () => assert.fail('it ran'));
  const next = openSession(budget);
  budget.addUnread(next, 250);
  assert.ok(!next.destroyed);
});

/** A server whose unary method returns 64 KB and whose stream sends 64 KB per message; counts both. */
async function serve(t: TestContext, limits: UnreadBudgetLimits) {
  const counts = { unary: 0, messages: 0 };
  const large = Buffer.alloc(64 * 1024);
  const unary = () => {
    counts.unary++;
    return large;
  };
  const server = await serveGrpc(
    {
      unary: { '/large': unary },
      streams: {
        '/stream': (stream) => ({
          message() {
            counts.messages++;
            stream.send(large);
          },
          finished: () => {},
          closed: () => {},
        }),
      },
    },
    {
      ...{ host: '127.0.0.1', port: 0, maxRequestBytes: 100_000, unread: limits },
      onBug: (_, error) => assert.fail(String(error)),
    },
  );
  t.after(() => server.close());
  return { counts, endpoint: `http://127.0.0.1:${server.port}` };
}

const WIDE: UnreadBudgetLimits = {
  sessionBytes: 1 << 30,
  serverBytes: 1 << 30,
  requestBytes: 1 << 30,
  streamBytes: 1 << 30,
};

test('a connection that reads nothing gets as many responses as fit its limit, over a real connection', async (t) => {
  const { counts, endpoint } = await serve(t, { ...WIDE, sessionBytes: 256 * 1024 });
  const client = new GrpcClient(endpoint, 0);
  t.after(() => client.close());
  for (let i = 0; i < 50; i++) client.send('/large', Buffer.from('x'));
  await client.ping();
  await client.ping();
  assert.equal(counts.unary, 5, 'four at the limit, and one response more');
});

test('a client that gives its requests up has no more responses made for it, though each leaves room', async (t) => {
  const { counts, endpoint } = await serve(t, { ...WIDE, sessionBytes: 256 * 1024 });
  const client = new GrpcClient(endpoint, 0);
  t.after(() => client.close());
  const streams = Array.from({ length: 50 }, () => client.send('/large', Buffer.from('x')));
  await client.ping();
  for (const stream of streams) stream.close(constants.NGHTTP2_CANCEL);
  await client.ping();
  await client.ping();
  assert.equal(counts.unary, 5);
});

test('all connections together end the one with the most, over real connections', async (t) => {
  const { endpoint } = await serve(t, { ...WIDE, serverBytes: 640 * 1024 });
  const [small, large] = [new GrpcClient(endpoint, 0), new GrpcClient(endpoint, 0)];
  t.after(() => small.close());
  for (let i = 0; i < 2; i++) small.send('/large', Buffer.from('x'));
  await small.ping();
  const streams = Array.from({ length: 9 }, () => large.send('/large', Buffer.from('x')));
  await Promise.all(streams.map((stream) => (stream.closed ? undefined : once(stream, 'close'))));
  await small.ping();
});

test('too many bytes of requests at once are refused with a status, over a real connection', async (t) => {
  const { endpoint } = await serve(t, { ...WIDE, requestBytes: 1000 });
  const client = new GrpcClient(endpoint);
  t.after(() => client.close());
  assert.equal(await client.status('/large', Buffer.alloc(2000)), String(STATUS.resourceExhausted));
  assert.equal(await client.status('/large', Buffer.alloc(900)), '0');
});

test('a stream whose messages wait unread is not read from, over a real connection', async (t) => {
  const { counts, endpoint } = await serve(t, { ...WIDE, streamBytes: 256 * 1024 });
  const client = new GrpcClient(endpoint, 0);
  t.after(() => client.close());
  const stream = client.open('/stream');
  const framed = Buffer.from([0, 0, 0, 0, 1, 120]);
  const deadline = systemClock.monotonic() + 20_000;
  for (let sent = 0; sent < 200; sent++) {
    stream.write(framed);
    await client.ping();
  }
  while (counts.messages < 4 && systemClock.monotonic() < deadline) await client.ping();
  assert.ok(counts.messages >= 4 && counts.messages <= 8, `${counts.messages} messages were read`);
});
