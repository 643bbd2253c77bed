/**
 * What a tunnel costs: the same command with and without, asked from beside a machine with systemd. Needs root and what
 * the tests on machines need. `npm run bench -- ssh [--quick]`.
 */
import assert from 'node:assert/strict';
import { Fleet } from '../test/machines/fleet.ts';
import { machinesProblem } from '../test/machines/machine-set.ts';
import { Visitor } from '../test/machines/visitor.ts';
import { printFigures } from './figures.ts';

export async function benchSsh(quick: boolean): Promise<void> {
  const problem = machinesProblem();
  if (problem !== undefined) throw new Error(`no figures of ssh here: ${problem}`);
  await using fleet = await Fleet.open({ machines: 1 });
  await using visitor = await Visitor.open(fleet.set);
  const { address } = fleet.machines[0]!;
  const tcp = `http://${address}:49153`;
  const tunnel = ['--strict-host-key-checking=false', '--tunnel', address];
  const timed = async (...args: readonly string[]) => {
    const startedAt = performance.now();
    const { status, stderr } = await visitor.fleetctl(...args, 'list-machines');
    assert.equal(status, 0, stderr);
    return performance.now() - startedAt;
  };
  const direct: number[] = [];
  const first: number[] = [];
  const toSocket: number[] = [];
  const toPort: number[] = [];
  for (let i = 0; i < (quick ? 5 : 20); i++) {
    direct.push(await timed('--endpoint', tcp));
    first.push(await timed(...tunnel));
    toSocket.push(await timed(...tunnel));
    toPort.push(await timed(...tunnel, '--endpoint', tcp));
    await visitor.disconnect();
  }
  const floor = { name: 'without a tunnel', samples: direct };
  const beyond = (samples: readonly number[]) => samples.map((ms, i) => ms - direct[i]!);
  const target = 'median < 150';
  printFigures('fleetctl list-machines over ssh', [
    { name: 'the first through a tunnel, which connects', unit: 'ms', samples: first, floor },
    { name: 'the next, to a unix socket', unit: 'ms', samples: toSocket, floor },
    { name: '… more than without a tunnel', unit: 'ms', samples: beyond(toSocket), target },
    { name: 'the next, to a port', unit: 'ms', samples: toPort, floor },
    { name: '… more than without a tunnel', unit: 'ms', samples: beyond(toPort), target },
  ]);
}
