/** Every signal to what a person starts, to the guard and to HAProxy, by the same table as signals.test.ts. */
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { freeBase } from './lab-fixture.ts';
import { assertRow } from './signal-table.ts';
import { SignalTargets } from './signal-targets.ts';

const hasHaproxy = spawnSync('haproxy', ['-v']).status === 0;
const skip = hasHaproxy ? false : 'haproxy is not installed (apt install haproxy)';
const lab = new SignalTargets();

describe('signals to others', { skip: process.platform !== 'linux' }, () => {
  before(async () => {
    const router = hasHaproxy ? ['--set', 'router=haproxy'] : [];
    await lab.up('--machines', '1', '--port-base', String(await freeBase()), ...router);
    const tick = path.join(lab.folder, 'tick.service');
    writeFileSync(tick, '[Service]\nExecStart=/bin/sh -c "while :; do echo tick; sleep 1; done"\n');
    await lab.ok('start', tick);
  });
  after(() => lab.dispose());

  for (const name of ['fleetctl', 'fleetd-guard', 'haproxy', 'fleetctl lab up'])
    test(`${name} does at each signal what docs/reference/signals.md says`, { skip: name === 'haproxy' && skip }, () =>
      assertRow(lab, name),
    );
});
