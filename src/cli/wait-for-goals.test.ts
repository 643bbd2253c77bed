import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { systemClock } from '../lib/index.ts';
import { connect } from './connect.ts';
import { resolveFlags } from './flags.ts';
import { Follow } from './follow.ts';
import { GLOBAL_FLAGS } from './global-flags.ts';
import { shownIo } from './io.ts';
import { findCommand } from './run.ts';
import { TestLab } from './test-lab.ts';
import { waitForGoals } from './wait-for-goals.ts';

const commands = { all: [], find: findCommand };

let lab: TestLab;
before(async () => {
  lab = await TestLab.start(1);
});
after(() => lab?.close());

test('a unit that somebody destroyed before it was ever seen is not waited for', async () => {
  const said: string[] = [];
  const io = {
    out: (text: string) => said.push(text),
    err: (text: string) => said.push(text),
    env: lab.env,
    inIsTerminal: () => false,
    outIsTerminal: () => false,
    errIsTerminal: () => false,
  };
  const flags = resolveFlags([], [], GLOBAL_FLAGS, { command: 'start', env: lab.env });
  const client = await connect(flags, io);
  const follow = new Follow({ client, names: ['gone.service'] });
  const context = { io: shownIo(io), flags, args: [], clock: systemClock, commands, client: async () => client };
  const orders = [{ name: 'gone.service', goal: { state: 'launched' } }] as const;
  const startedMs = systemClock.monotonic();
  const late = await waitForGoals(context, { client, follow, orders, timeoutMs: 60_000, startedMs });
  follow.close();
  client.close();
  assert.deepEqual(late, ['gone.service']);
  assert.deepEqual(said, [
    'Error waiting for units: unit gone.service was destroyed while this command waited for it\n',
  ]);
});
