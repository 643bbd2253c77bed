import assert from 'node:assert/strict';
import { mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { openHarness } from '../../../test/contract/runtime-harness.ts';
import { listenAt, type Request, readLines } from './protocol.ts';
import { SupervisorDirectory } from './state-directory.ts';

test('a supervisor process that does not tell which units succeeded (protocol 2) makes way', async (t) => {
  const directory = realpathSync(mkdtempSync(path.join(tmpdir(), 'supervisor-')));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  const state = new SupervisorDirectory(directory);
  state.open();
  const calls: string[] = [];
  const older = createServer((socket) =>
    readLines(socket, (line) => {
      const { id, call } = JSON.parse(line) as Request;
      calls.push(call);
      socket.write(`${JSON.stringify({ id, answer: call === 'hello' ? { protocol: 2, pid: process.pid } : [] })}\n`);
      if (call === 'retire') older.close();
    }),
  );
  t.after(() => older.close());
  await listenAt(older, state.socket);
  await using harness = await openHarness({ directory });
  assert.deepEqual(calls, ['hello', 'retire']);
  assert.deepEqual(await harness.runtime.units(), []);
});
