import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { hashUnit } from '../unitfile/index.ts';
import { ask, joinMachine, openTestApi, place, report, service, type TestApi } from './test-api.ts';

const M1 = '1'.repeat(32);
const M2 = '2'.repeat(32);
let api: TestApi;

before(async () => {
  api = await openTestApi();
});
after(() => api.close());

async function put(name: string, lines: readonly string[], desiredState = 'launched') {
  await ask(`${api.url}/fleet/v1/units/${name}`, { method: 'PUT', body: { options: service(...lines), desiredState } });
  return hashUnit(service(...lines));
}
const why = async (name: string) => (await ask(`${api.url}/fleet/v1/units/${name}/why`)).json;

test('why tells what each machine has against a unit, and why it is where it is', async () => {
  assert.equal((await ask(`${api.url}/fleet/v1/units/none.service/why`)).status, 404);
  const hash = await put('a.service', []);
  await put('t@.service', [], 'inactive');
  await put('i.service', [], 'inactive');
  assert.equal((await why('a.service')).summary, 'not placed: there is no machine in the cluster');
  assert.match((await why('t@.service')).summary, /a template is never placed/);
  assert.match((await why('i.service')).summary, /desired state is inactive/);

  const m1 = await joinMachine(api.cluster, M1, { address: '10.0.0.1' });
  await joinMachine(api.cluster, M2, { address: '10.0.0.2', metadata: { region: 'eu' } });
  assert.match((await why('a.service')).summary, /^not placed: 2 of 2 machines could take it, but no machine leads/);
  await place(api.cluster, m1, []);
  assert.match((await why('a.service')).summary, /^not placed yet: 2 of 2 machines could take it/);

  await put('eu.service', ['MachineMetadata=region=eu']);
  const eu = await why('eu.service');
  assert.deepEqual(
    eu.machines.map(({ machineID, address, units, reason }: Record<string, unknown>) => [
      machineID,
      address,
      units,
      typeof reason,
    ]),
    [
      [M1, '10.0.0.1', 0, 'string'],
      [M2, '10.0.0.2', 0, 'undefined'],
    ],
  );
  assert.match(eu.machines[0].reason, /region/);
  await put('us.service', ['MachineMetadata=region=us']);
  assert.equal((await why('us.service')).summary, 'not placed: none of 2 machines qualifies');

  await place(api.cluster, m1, [{ unit: 'a.service', hash, reason: 'fewest units (0)' }]);
  const placed = await why('a.service');
  assert.equal(placed.summary, 'placed on 11111111.../10.0.0.1: fewest units (0)');
  assert.deepEqual(placed.placements, [{ machineID: M1, address: '10.0.0.1', reason: 'fewest units (0)' }]);
  await report(api.cluster, m1, [{ unit: 'a.service', hash, active: 'failed', note: 'no such binary' }]);
  assert.match((await why('a.service')).summary, /that machine reports: no such binary$/);

  const global = await put('g.service', ['Global=true', 'MachineMetadata=region=eu']);
  await place(api.cluster, m1, [{ unit: 'g.service', hash: global, machine: M2 }]);
  assert.equal((await why('g.service')).summary, 'global: placed on 1 of 2 machines, 1 does not qualify');
  await m1.lease.revoke();
  assert.match((await why('a.service')).summary, /which is not in the cluster at the moment$/);
});
