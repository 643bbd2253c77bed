import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Fleet, fleetProblem } from './fleet.ts';
import type { Machine } from './machine.ts';
import { NODE } from './machine-set.ts';
import { RouterLoad } from './router-load.ts';
import { hasProgram } from './run.ts';

const PORTS = [8001, 8002, 8003, 8004, 8005, 8006, 8007, 8008, 8009];
const AGENT_TTL_MS = 5000;
const PER_SECOND = 200;
const SERVER = `require('node:http').createServer((q, r) => r.end(process.argv[1])).listen(process.argv[1])`;
const WEB = `[Service]\nExecStart=${NODE} -e "${SERVER}" %i\n[X-Service]\nName=web\nPort=%i\nTags=http\nCheck=tcp\n`;

const MUTE = `[Service]\nExecStart=${NODE} -e "require('node:http').createServer(() => {}).listen(8100)"
[X-Service]\nName=mute\nPort=8100\nTags=http\nCheck=tcp\n`;

function problemOf(plane: string): string | false {
  const missing =
    plane === 'haproxy' && !hasProgram('haproxy') ? 'haproxy is not installed (apt install haproxy)' : undefined;
  return fleetProblem() ?? missing ?? false;
}

for (const plane of ['process', 'haproxy'])
  describe(`a machine with three of nine instances is gone in silence, router=${plane}`, {
    skip: problemOf(plane),
  }, () => {
    let fleet: Fleet;
    before(async () => {
      fleet = await Fleet.open({ machines: 3, settings: [`agent_ttl=${AGENT_TTL_MS}ms`, `router=${plane}`] });
      await fleet.submit('web@.service', WEB);
      await fleet.ok('start', ...PORTS.map((port) => `web@${port}`));
    });
    after(() => fleet?.[Symbol.asyncDispose]());

    /** How many backends of the service are at each machine, as the router of one says. */
    const backendsAt = async (router: Machine): Promise<readonly number[]> => {
      const { stdout, status } = await fleet.fleetctl(['router', 'routes', '-o', 'json'], router);
      if (status !== 0) return [];
      const { routes } = JSON.parse(stdout) as { routes: { host: string; backends: { machine: string }[] }[] };
      const backends = routes.find(({ host }) => host === 'web.*')?.backends ?? [];
      return fleet.machines.map(({ machineId }) => backends.filter(({ machine }) => machine === machineId).length);
    };

    test('requests through another one lose nothing', async () => {
      const [router, , victim] = fleet.machines as [Machine, Machine, Machine];
      await fleet.until('three instances each', async () => (await backendsAt(router)).join() === '3,3,3');
      const posted = plane === 'process' ? await postTo(fleet, { router, victim }) : undefined;
      const load = new RouterLoad(fleet, router, { perSecond: PER_SECOND });
      await sleep(1000);
      const cutAtMs = Date.now();
      await victim.cut();
      await fleet.until('its routes are gone', async () => (await backendsAt(router))[2] === 0);
      const changedMs = Date.now() - cutAtMs;
      await sleep(3000);
      const { outcomes, open } = await load.stop();
      const failed = outcomes.filter(({ result }) => result !== 200);
      const longestMs = Math.round(Math.max(...outcomes.map(({ tookMs }) => tookMs)));
      const slow = outcomes.filter(({ tookMs }) => tookMs > 500).length;
      console.log(`${outcomes.length} requests, ${failed.length} failed; the routes changed after ${changedMs} ms`);
      console.log(`${slow} took more than half a second, the longest ${longestMs} ms`);
      assert.deepEqual(failed, []);
      assert.equal(open, 0);
      assert.ok(outcomes.length > PER_SECOND, `${outcomes.length} requests`);
      assert.ok(changedMs < AGENT_TTL_MS + 3000);
      if (posted) assert.equal(await posted.status, '502');
    });
  });

/** Sends a request that may not be repeated to a backend at the victim that never responds; resolves when it is there. */
async function postTo(
  fleet: Fleet,
  { router, victim }: { readonly router: Machine; readonly victim: Machine },
): Promise<{ readonly status: Promise<string> }> {
  await fleet.submit('mute.service', `${MUTE}[X-Fleet]\nMachineID=${victim.machineId}\n`);
  await fleet.ok('start', 'mute.service');
  const active = async () => {
    const { stdout } = await fleet.fleetctl(['router', 'backends', '-o', 'json'], router);
    const backends = JSON.parse(stdout) as { service: string; active: number }[];
    return backends.find(({ service }) => service === 'mute')?.active;
  };
  await fleet.until('the mute one is routed', async () => (await active()) === 0);
  const curl = ['-s', '-o', '/dev/null', '-w', '%{http_code}', '-d', 'x', '-H', 'Host: mute.x'];
  const child = spawn(...fleet.set.network.inside('curl', [...curl, `http://${router.address}/`]));
  let status = '';
  child.stdout.on('data', (data: Buffer) => {
    status += data;
  });
  const ended = once(child, 'close').then(() => status);
  await fleet.until('it waits there', async () => (await active()) === 1);
  return { status: ended };
}
