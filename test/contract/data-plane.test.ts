import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { systemClock as clock } from '../../src/lib/index.ts';
import { openHaproxyPlane } from '../../src/router/haproxy/index.ts';
import { NO_ROUTES, type RouterSettings } from '../../src/router/index.ts';
import { openProcessPlane } from '../../src/router/process/index.ts';
import { dataPlaneContract } from './data-plane-contract.ts';
import { closedPort, testLog as log } from './data-plane-harness.ts';

const table = NO_ROUTES;
const hasHaproxy = spawnSync('haproxy', ['-v']).status === 0;

dataPlaneContract('in process', (settings) => openProcessPlane({ settings, clock, log, table }), false);

dataPlaneContract(
  'HAProxy',
  async (wanted, test) => {
    const directory = mkdtempSync(path.join(os.tmpdir(), 'haproxy-'));
    test.after(() => rmSync(directory, { recursive: true, force: true }));
    // HAProxy cannot be asked which free port it found.
    const listen = [{ host: '127.0.0.1', port: await closedPort() }];
    const settings: RouterSettings = { ...wanted, plane: 'haproxy', listen };
    return openHaproxyPlane({ settings, table, directory, clock, log, onEnd: () => {} });
  },
  hasHaproxy ? false : 'haproxy is not installed (apt install haproxy)',
);
