import assert from 'node:assert/strict';
import { once } from 'node:events';
import http2 from 'node:http2';
import net from 'node:net';
import { type TestContext, test } from 'node:test';
import { systemClock as clock } from '../../lib/index.ts';
import { connect } from './connection.ts';
import { serveGrpc } from './server.ts';
import { GrpcError, STATUS } from './status.ts';

async function serve(t: TestContext) {
  const server = await serveGrpc(
    { unary: {}, streams: {} },
    { host: '127.0.0.1', port: 0, maxRequestBytes: 1000, onBug: (_path, error) => assert.fail(String(error)) },
  );
  t.after(() => server.close());
  return server;
}

test('a server ends though somebody holds on to it who neither speaks nor listens', { timeout: 10_000 }, async (t) => {
  const server = await serve(t);
  const silent = net.connect(server.port, '127.0.0.1').pause();
  t.after(() => silent.destroy());
  await once(silent, 'connect');
  const connection = await connect({ endpoint: `http://127.0.0.1:${server.port}`, clock, timeoutMs: 1000 });
  t.after(() => connection.destroy());
  await server.close();
});

test('a connection that comes about just when it is given up is refused like any other', async (t) => {
  const server = await serve(t);
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
  assert.deepEqual([...outcomes].sort(), ['connected', 'refused']);
});

test('what answers in words of its own is refused, and harms nobody', async (t) => {
  const answers: readonly [number, string][] = [
    [502, '<html>Bad gateway</html>'],
    [200, 'hello'],
  ];
  for (const [status, body] of answers) {
    const server = http2.createServer().on('stream', (stream) => {
      stream.respond({ ':status': status, 'content-type': 'text/html' });
      stream.end(body);
    });
    server.listen(0, '127.0.0.1');
    t.after(() => void server.close());
    await once(server, 'listening');
    const endpoint = `http://127.0.0.1:${(server.address() as net.AddressInfo).port}`;
    const connection = await connect({ endpoint, clock, timeoutMs: 1000 });
    t.after(() => connection.destroy());
    await assert.rejects(connection.unary('/x', {}, Buffer.from('y'), 5000), GrpcError);
    const ended = await new Promise<GrpcError | undefined>((resolve) => {
      connection.stream('/x', {}, { message: () => assert.fail('no message was sent'), ended: resolve });
    });
    assert.ok(ended instanceof GrpcError, String(ended));
  }
});
