import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { systemClock as clock, systemRandom as random, silentLog } from '../../src/lib/index.ts';
import { LEASE_GRANT, LEASE_REVOKE, LEASE_TIME_TO_LIVE } from '../../src/store/etcd-calls.ts';
import { EtcdClient } from '../../src/store/etcd-client.ts';
import { eventually, SERVER_KINDS, type TestServer } from '../contract/store-servers.ts';

const MINUS_ONE = 2n ** 64n - 1n;
const LEAST = 2n ** 63n;
const GREATEST = 2n ** 63n - 1n;

/** Ids and seconds at the ends of 64 bits, and what etcd says to them. */
const GRANTS: readonly (readonly [id: bigint, ttl: number, outcome: string | undefined])[] = [
  [MINUS_ONE, 60, undefined],
  [MINUS_ONE - 1n, 60, undefined],
  [LEAST, 60, undefined],
  [GREATEST, 60, undefined],
  [1n, 9_000_000_000, undefined],
  [2n, 9_000_000_001, 'too large lease TTL'],
  [3n, 2 ** 62, 'too large lease TTL'],
  [4n, 0, undefined],
  [5n, -1, undefined],
  [6n, -(2 ** 63), undefined],
];

for (const { name, skip, start } of SERVER_KINDS) {
  describe(`unusual leases on ${name}`, { skip }, () => {
    let server: TestServer;
    let client: EtcdClient;
    before(async () => {
      server = await start();
      client = new EtcdClient({ endpoints: [server.endpoint], clock, random, log: silentLog });
    });
    after(async () => {
      client?.close();
      await server?.stop();
    });

    const isThere = async (id: bigint) => (await client.call(LEASE_TIME_TO_LIVE, { id })).ttl >= 0;

    for (const [id, ttl, outcome] of GRANTS)
      test(`id ${id}, TTL ${ttl}: ${outcome ?? 'granted, then revoked'}`, async () => {
        const granting = client.call(LEASE_GRANT, { id, ttl });
        if (outcome !== undefined) return assert.rejects(granting, ({ message }: Error) => message.includes(outcome));
        const granted = await granting;
        assert.equal(granted.id, id);
        assert.ok(granted.ttl >= Math.max(1, ttl), String(granted.ttl));
        await client.call(LEASE_REVOKE, { id });
        assert.equal(await isThere(id), false);
      });

    test('a lease of the last id ends by itself, and so does one that a restarted store finds', async () => {
      await client.call(LEASE_GRANT, { id: MINUS_ONE, ttl: 1 });
      await server.restart();
      await eventually(async () => assert.equal(await isThere(MINUS_ONE), false));
      await client.call(LEASE_GRANT, { id: MINUS_ONE, ttl: 1 });
      await eventually(async () => assert.equal(await isThere(MINUS_ONE), false));
    });
  });
}
