import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { systemClock as clock } from '../../lib/index.ts';
import { freePort } from '../../lib/test-free-port.ts';
import { findProcess, HAPROXY_PID } from '../predecessor.ts';

import { checkConfiguration, startHaproxy } from './haproxy-process.ts';

const skip = spawnSync('haproxy', ['-v']).status === 0 ? false : 'haproxy is not installed (apt install haproxy)';

const noStrace = spawnSync('strace', ['-V']).status === 0 ? false : 'strace is not installed (apt install strace)';

test('a configuration that HAProxy refuses is refused with what it has against it', { skip }, async (t) => {
  const directory = mkdtempSync(path.join(os.tmpdir(), 'haproxy-'));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  const file = path.join(directory, 'haproxy.cfg');
  writeFileSync(file, 'global\n    nonsense\n');
  const sentence = /^HAProxy refuses its configuration: parsing \[.*haproxy\.cfg:2\] : unknown keyword 'nonsense'/;
  await assert.rejects(checkConfiguration(file), { code: 'invalid', message: sentence });
});

interface Starter {
  readonly directory: string;
  /** Starts HAProxy on this port, where it returns this status for every request, in the place of the one before. */
  start(port: number, status?: number): Promise<ChildProcess>;
}

function openStarter(t: TestContext): Starter {
  const directory = mkdtempSync(path.join(os.tmpdir(), 'haproxy-'));
  const children: ChildProcess[] = [];
  t.after(() => {
    for (const child of children) child.kill('SIGKILL');
    rmSync(directory, { recursive: true, force: true });
  });
  const [file, socket] = [path.join(directory, 'haproxy.cfg'), path.join(directory, 'haproxy.sock')];
  const start = async (port: number, status = 200) => {
    const admin = `stats socket "${socket}" mode 600 level admin expose-fd listeners`;
    const times = 'defaults\n    mode http\n    timeout connect 1s\n    timeout client 1s\n    timeout server 1s\n';
    const frontend = `frontend f\n    bind 127.0.0.1:${port}\n    http-request return status ${status}\n`;
    // Two threads also on a computer with one processor: one goes on when the other is held up.
    writeFileSync(file, `global\n    nbthread 2\n    ${admin}\n${times}${frontend}`);
    const child = await startHaproxy(file, { directory, socket, accessLog: '', clock });
    children.push(child);
    return child;
  };
  return { directory, start };
}

test('a HAProxy that does not start leaves the one before it to be found', { skip }, async (t) => {
  const stranger = net.createServer().listen(0, '127.0.0.1');
  await once(stranger, 'listening');
  t.after(() => stranger.close());
  const { directory, start } = openStarter(t);
  const port = await freePort();
  const first = await start(port);
  await assert.rejects(start((stranger.address() as net.AddressInfo).port), /^.*HAProxy does not start: /);
  assert.equal(findProcess(directory, HAPROXY_PID)?.pid, first.pid);
  await start(port);
  if (first.exitCode === null) await once(first, 'exit');
});

test('a HAProxy that is slow to end accepts no request once the next has come', {
  skip: skip || noStrace,
}, async (t) => {
  const { start } = openStarter(t);
  const port = await freePort();
  const first = await start(port, 403);
  await holdUpSignals(t, first.pid!, 2000);
  const second = await start(port, 404);
  // The second one accepts nothing now, so that the request goes to the first one if that still listens.
  second.kill('SIGSTOP');
  const response = fetch(`http://127.0.0.1:${port}/`);
  if (first.exitCode === null) await once(first, 'exit');
  second.kill('SIGCONT');
  assert.equal((await response).status, 404);
});

/** Holds up the thread of a process that gets a signal, as a busy computer may. */
async function holdUpSignals(t: TestContext, pid: number, ms: number): Promise<void> {
  const how = ['--trace=rt_sigreturn', `--inject=rt_sigreturn:delay_enter=${ms}ms`];
  const strace = spawn('strace', ['-f', '-p', String(pid), ...how], { stdio: ['ignore', 'ignore', 'pipe'] });
  t.after(() => strace.kill('SIGKILL'));
  // It says so when it has attached.
  await once(strace.stderr, 'data');
}
