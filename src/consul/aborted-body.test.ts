import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { test } from 'node:test';
import { createLog } from '../lib/index.ts';
import { get, openTestConsul } from './test-consul.ts';

const lines: string[] = [];
const log = createLog((line) => lines.push(line), 'debug');
const { machines } = await openTestConsul(1, log);
const { port, url } = machines[0]!;

const BODIES: readonly (readonly [what: string, head: string, sent: string])[] = [
  ['of a known length', 'Content-Length: 500', '{"Name": "x"'],
  ['in chunks', 'Transfer-Encoding: chunked', '5\r\n{"Nam\r\n'],
];
for (const [what, head, sent] of BODIES)
  test(`a client that goes in the midst of a body ${what} is one line at debug`, async () => {
    lines.length = 0;
    const socket = connect(port, '127.0.0.1');
    socket.on('error', () => {});
    socket.write(`PUT /v1/agent/service/register HTTP/1.1\r\nHost: x\r\n${head}\r\n\r\n${sent}`);
    // The server has begun to read the body once it has responded to a later request.
    await get(`${url}/v1/agent/self`);
    socket.resetAndDestroy();
    const deadline = performance.now() + 20_000;
    while (!lines.some((line) => line.includes('Client of Consul gone'))) {
      assert.ok(performance.now() < deadline, lines.join('\n'));
      await get(`${url}/v1/agent/self`);
    }
    assert.deepEqual(
      lines.filter((line) => !line.startsWith('DEBUG')),
      [],
    );
  });
