import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Fleet, fleetProblem } from './fleet.ts';
import type { Machine } from './machine.ts';
import { NODE } from './machine-set.ts';
import { RouterLoad } from './router-load.ts';

const PORTS = [8001, 8002, 8003, 8004, 8005, 8006];
/** Takes a while for each request, and ends at once when it is told to. */
const SERVER = `require('node:http').createServer((q, r) => setTimeout(() => r.end(), 300)).listen(process.argv[1])`;
const WEB = `[Service]\nExecStart=${NODE} -e "${SERVER}" %i\n[X-Service]\nName=web\nPort=%i\nTags=http\nCheck=tcp\n`;

describe('machines shut down while requests are under way', { skip: fleetProblem() ?? false }, () => {
  let fleet: Fleet;
  before(async () => {
    fleet = await Fleet.open({ machines: 3, logind: true, settings: ['agent_ttl=10s'] });
    await fleet.submit('web@.service', WEB);
    await fleet.ok('start', ...PORTS.map((port) => `web@${port}`));
  });
  after(() => fleet?.[Symbol.asyncDispose]());

  const backends = async (router: Machine): Promise<readonly string[]> => {
    const { stdout, status } = await fleet.fleetctl(['router', 'routes', '-o', 'json'], router);
    if (status !== 0) return [];
    const { routes } = JSON.parse(stdout) as { routes: { host: string; backends: { machine: string }[] }[] };
    return (routes.find(({ host }) => host === 'web.*')?.backends ?? []).map(({ machine }) => machine);
  };
  const hasLock = async (machine: Machine) => (await machine.ok('systemd-inhibit', '--list')).includes('fleetd');

  test('requests that must not be repeated lose nothing when one after the other powers off', async () => {
    const [router, ...others] = fleet.machines as [Machine, Machine, Machine];
    const isWhole = async () => (await backends(router)).length === PORTS.length;
    await fleet.until('all are routed', isWhole);
    for (const machine of others) await fleet.until('fleetd holds the lock', () => hasLock(machine));
    const load = new RouterLoad(fleet, router, { perSecond: 50, method: 'POST' });
    for (const machine of others) {
      await machine.powerOff('systemctl');
      await fleet.until('all run elsewhere', isWhole);
      await machine.boot();
      await fleet.until('three machines', async () => (await fleet.machineIds()).length === 3);
    }
    const { outcomes, open } = await load.stop();
    console.log(`${outcomes.length} requests`);
    assert.deepEqual(
      outcomes.filter(({ result }) => result !== 200),
      [],
    );
    assert.equal(open, 0);
    assert.ok(outcomes.length > 50, `${outcomes.length} requests`);
  });

  test('a machine whose fleetd hangs shuts down all the same', async () => {
    const [, machine] = fleet.machines as [Machine, Machine, Machine];
    await fleet.until('fleetd holds the lock', () => hasLock(machine));
    await machine.ok('systemctl', 'kill', '--kill-whom=main', '--signal=STOP', 'fleetd.service');
    await machine.powerOff('systemctl');
    assert.ok(!machine.running);
  });
});
