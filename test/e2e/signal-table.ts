/** The table of docs/reference/signals.md: what each signal does to each process of ours. */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { isZombie, readStat } from '../../src/lib/index.ts';
import { until } from '../../src/lib/test-until.ts';

import { caught, isRunning, listening, type SignalTargets } from './signal-targets.ts';

const root = path.resolve(import.meta.dirname, '../..');
const [header, , ...rows] = readFileSync(path.join(root, 'docs/reference/signals.md'), 'utf8')
  .split('\n')
  .filter((line) => line.startsWith('|') && line.split('|').length === 15)
  .map((line) =>
    line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.replaceAll('`', '').trim()),
  );
const SIGNALS = header!.slice(1).map((name) => `SIG${name}` as NodeJS.Signals);

/** The process has taken the signal, and is still the same and awake. */
async function livesOn(what: string, pid: number, startTime: number): Promise<void> {
  await until('the signal was delivered', () => {
    const stat = readStat(pid);
    if (stat === undefined || isZombie(stat) || stat.startTime !== startTime) assert.fail(`${what} ended`);
    const blocked = caught(pid, 'SigBlk');
    return [...caught(pid, 'SigPnd'), ...caught(pid, 'ShdPnd')].every((signal) => blocked.has(signal));
  });
}

/** At 127.0.1.N, where a process that has just begun may open its ports only now; Node's inspector is at 127.0.0.1. */
const isOfLab = (address: string): boolean => /^..01007F:/.test(address);

/** The processes that the table has. */
export const PROCESSES: readonly string[] = rows.map(([name]) => name!);

/** Sends each signal to a process of that name, which must do what the table says. */
export async function assertRow(targets: SignalTargets, name: string): Promise<void> {
  const [, ...outcomes] = rows.find(([process]) => process === name)!;
  let pid = await targets.find(name);
  for (const [at, signal] of SIGNALS.entries()) {
    if (!isRunning(pid)) pid = await targets.find(name);
    const { startTime } = readStat(pid)!;
    if (!name.startsWith('fleetctl') && name !== 'fleetd-guard') assert.equal(readStat(pid)!.comm, name);
    const ports = listening(pid);
    process.kill(pid, signal);
    const what = `${name} at ${signal}`;
    if (outcomes[at] === 'sleeps') {
      await until(`${what} sleeps`, () => readStat(pid)?.state === 'T');
      process.kill(pid, 'SIGCONT');
      await until(`${what} wakes`, () => readStat(pid)?.state !== 'T');
    } else if (outcomes[at] === 'lives') {
      await livesOn(what, pid, startTime);
    } else {
      await until(`${what} ends`, () => readStat(pid)?.startTime !== startTime || !isRunning(pid), 60_000);
      continue;
    }
    const opened = listening(pid).filter((at) => !ports.includes(at) && !isOfLab(at));
    assert.deepEqual(opened, [], `${what} opens a port`);
  }
}
