import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { test } from 'node:test';
import { openTestConsul } from './test-consul.ts';

test('a body in chunks that is too large is refused with 413, which its client gets', async (t) => {
  const { machines } = await openTestConsul();
  const socket = connect(machines[0]!.port, '127.0.0.1').setEncoding('utf8');
  t.after(() => socket.destroy());
  const chunk = `10000\r\n${'x'.repeat(0x10000)}\r\n`;
  socket.write(`PUT /v1/kv/a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n${chunk.repeat(9)}`);
  let text = '';
  socket.on('data', (more: string) => {
    text += more;
  });
  while (!text.includes('too large')) await Promise.race([once(socket, 'data'), once(socket, 'close')]);
  assert.match(text, /^HTTP\/1\.1 413 .*Request body\(\d+ bytes\) too large/s);
});
