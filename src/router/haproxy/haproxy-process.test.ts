import assert from 'node:assert/strict';
import { type ChildProcess, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { systemClock as clock } from '../../lib/index.ts';
import { freePort } from '../../lib/test-free-port.ts';
import { findProcess, HAPROXY_PID } from '../predecessor.ts';

import { checkConfiguration, startHaproxy } from './haproxy-process.ts';

const skip = spawnSync('haproxy', ['-v']).status === 0 ? false : 'haproxy is not installed (apt install haproxy)';

test('a configuration that HAProxy refuses is refused with what it has against it', { skip }, async (t) => {
  const directory = mkdtempSync(path.join(os.tmpdir(), 'haproxy-'));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  const file = path.join(directory, 'haproxy.cfg');
  writeFileSync(file, 'global\n    nonsense\n');
  const sentence = /^HAProxy refuses its configuration: parsing \[.*haproxy\.cfg:2\] : unknown keyword 'nonsense'/;
  await assert.rejects(checkConfiguration(file), { code: 'invalid', message: sentence });
});

test('a HAProxy that does not start leaves the one before it to be found', { skip }, async (t) => {
  const directory = mkdtempSync(path.join(os.tmpdir(), 'haproxy-'));
  const stranger = net.createServer().listen(0, '127.0.0.1');
  await once(stranger, 'listening');
  const children: ChildProcess[] = [];
  t.after(() => {
    for (const child of children) child.kill('SIGKILL');
    stranger.close();
    rmSync(directory, { recursive: true, force: true });
  });
  const [file, socket] = [path.join(directory, 'haproxy.cfg'), path.join(directory, 'haproxy.sock')];
  const start = async (port: number) => {
    const global = `global\n    stats socket "${socket}" mode 600 level admin expose-fd listeners\n`;
    const times = 'defaults\n    mode http\n    timeout connect 1s\n    timeout client 1s\n    timeout server 1s\n';
    writeFileSync(file, `${global}${times}frontend f\n    bind 127.0.0.1:${port}\n`);
    const child = await startHaproxy(file, { directory, socket, accessLog: '', clock });
    children.push(child);
    return child;
  };
  const port = await freePort();
  const first = await start(port);
  await assert.rejects(start((stranger.address() as net.AddressInfo).port), /^.*HAProxy does not start: /);
  assert.equal(findProcess(directory, HAPROXY_PID)?.pid, first.pid);
  await start(port);
  if (first.exitCode === null) await once(first, 'exit');
});
