import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import { test } from 'node:test';
import { systemClock as clock } from '../../lib/index.ts';
import { connect } from './connection.ts';
import { serveGrpc } from './server.ts';
import { GrpcError, STATUS } from './status.ts';

const serve = () =>
  serveGrpc(
    { unary: {}, streams: {} },
    { host: '127.0.0.1', port: 0, maxRequestBytes: 1000, onBug: (_path, error) => assert.fail(String(error)) },
  );

test('a server ends though somebody holds on to it who neither speaks nor listens', { timeout: 10_000 }, async () => {
  const server = await serve();
  const silent = net.connect(server.port, '127.0.0.1').pause();
  await once(silent, 'connect');
  const connection = await connect({ endpoint: `http://127.0.0.1:${server.port}`, clock, timeoutMs: 1000 });
  await server.close();
  silent.destroy();
  connection.destroy();
});

test('a connection that comes about just when it is given up is refused like any other', async () => {
  const server = await serve();
  const endpoint = `http://127.0.0.1:${server.port}`;
  const outcomes = new Set<string>();
  for (let round = 0; round < 300; round++) {
    const attempts = Array.from({ length: 5 }, async (_, i) => {
      try {
        const connection = await connect({ endpoint, clock, timeoutMs: (round % 6) + i / 2 });
        connection.destroy();
        outcomes.add('connected');
      } catch (error) {
        assert.ok(error instanceof GrpcError && error.status === STATUS.unavailable, String(error));
        outcomes.add('refused');
      }
    });
    await Promise.all(attempts);
  }
  await server.close();
  assert.deepEqual([...outcomes].sort(), ['connected', 'refused']);
});
