import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { compact, connectTo, Relay, startEmbedded } from '../../test/contract/store-servers.ts';
import { systemClock as clock, silentLog as log, systemRandom as random } from '../lib/index.ts';
import { type Kv, openKv } from './index.ts';

const server = await startEmbedded();
const relay = await Relay.to(server.port);
const [direct, relayed] = [connectTo(server.endpoint), connectTo(relay.endpoint)];
const closing = new AbortController();
const { signal } = closing;
const open = (store: typeof direct): Kv => openKv({ store, prefix: '/cut/', clock, random, log, signal });
const [writer, reader] = [open(direct), open(relayed)];
after(async () => {
  closing.abort();
  await Promise.all([direct.close(), relayed.close()]);
  await relay.stop();
  await server.stop();
});

const write = (key: string, value: number) =>
  writer.transact([{ verb: 'set', key, value: Buffer.from(String(value)).toString('base64'), flags: 0n }]);

/** Follows a key as a client does, by one blocking query after the other, until it has a value. */
async function follow(key: string, last: number): Promise<number[]> {
  const seen: number[] = [];
  while (seen.at(-1) !== last) {
    const index = await reader.changes.lastChange({ key });
    const { pair } = await reader.get(key);
    const value = pair && Number(Buffer.from(pair.value, 'base64').toString());
    if (value !== undefined && value !== seen.at(-1)) seen.push(value);
    if (value === last) break;
    await reader.changes.wait({ key }, Math.max(index, pair?.modifyIndex ?? 0), AbortSignal.timeout(20_000));
  }
  return seen;
}

test('no change is missed over cut connections', { timeout: 60_000 }, async () => {
  const rounds = 40;
  const following = follow('k', rounds);
  for (let value = 1; value <= rounds; value++) {
    if (value % 8 === 0) relay.cut();
    await write('k', value);
    await clock.sleep(5);
  }
  const seen = await following;
  assert.deepEqual(
    seen,
    [...seen].sort((a, b) => a - b),
    'never back',
  );
});

test('no change is missed when the store has forgotten what happened meanwhile', { timeout: 60_000 }, async () => {
  await write('c', 1);
  await follow('c', 1);
  const after = await reader.changes.lastChange({ key: 'c' });
  const woken = reader.changes.wait({ key: 'c' }, after, AbortSignal.timeout(30_000));
  relay.silence();
  for (let value = 2; value <= 5; value++) await write('c', value);
  await compact(server.endpoint, (await writer.get('c')).revision);
  relay.speak();
  relay.cut();
  await woken;
  assert.deepEqual((await follow('c', 5)).at(-1), 5);
});
