import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { systemClock as clock, silentLog as log } from '../../lib/index.ts';
import { freePort } from '../../lib/test-free-port.ts';
import { findProcess, HAPROXY_PID } from '../predecessor.ts';
import { NO_ROUTES } from '../route-table.ts';
import { SETTINGS } from '../test-router.ts';
import { openHaproxyPlane } from './haproxy-plane.ts';

const skip = spawnSync('haproxy', ['-v']).status === 0 ? false : 'haproxy is not installed (apt install haproxy)';

test('a HAProxy that hangs fails what it is asked, and is killed in the end', { skip }, async (t) => {
  const directory = mkdtempSync(path.join(os.tmpdir(), 'haproxy-'));
  const settings = { ...SETTINGS, plane: 'haproxy', listen: [{ host: '127.0.0.1', port: await freePort() }] } as const;
  const plane = await openHaproxyPlane({ settings, table: NO_ROUTES, directory, clock, log, onEnd: () => {} });
  const { pid } = findProcess(directory, HAPROXY_PID)!;
  t.after(() => {
    if (findProcess(directory, HAPROXY_PID) !== undefined) process.kill(pid, 'SIGKILL');
    rmSync(directory, { recursive: true, force: true });
  });
  process.kill(pid, 'SIGSTOP');
  const late = clock.sleep(60_000, t.signal).then(() => assert.fail('it is waited for'));
  late.catch(() => {});
  const said = { code: 'unavailable', message: /^HAProxy's runtime API does not answer: / };
  await assert.rejects(Promise.race([plane.backends(), late]), said);
  await Promise.race([plane.close(0), late]);
  assert.equal(findProcess(directory, HAPROXY_PID), undefined);
});
