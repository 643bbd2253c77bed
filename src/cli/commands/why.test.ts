import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { FleetClient } from '../../client/index.ts';
import { FlotillaError, systemClock } from '../../lib/index.ts';
import { resolveFlags } from '../flags.ts';
import { GLOBAL_FLAGS } from '../global-flags.ts';
import { shownIo } from '../io.ts';
import { findCommand } from '../run.ts';
import { why } from './why.ts';

const commands = { all: [], find: findCommand };

test('a machine whose journal cannot be read keeps no other unit from being explained', async () => {
  const said = { out: '', err: '' };
  const io = shownIo({
    out: (text) => (said.out += text),
    err: (text) => (said.err += text),
    env: {},
    inIsTerminal: () => false,
    outIsTerminal: () => false,
    errIsTerminal: () => false,
  });
  const placement = { machineID: '1'.repeat(32), address: '10.0.0.1', reason: 'fewest units' };
  const client = {
    why: async (name: string) => ({ name, placements: [placement], machines: [], summary: `about ${name}` }),
    summaries: async () => [{ placements: [{ ...placement, status: { active: 'failed' } }] }],
    status: async () => ({ reports: [] }),
    async *journal() {
      yield* [];
      throw new FlotillaError('unavailable', 'its fleetd does not respond');
    },
  } as unknown as FleetClient;
  const flags = resolveFlags([], why.flags, GLOBAL_FLAGS, { command: 'why', env: {} });
  const args = ['a.service', 'b.service'];
  const status = await why.run({ flags, args, io, clock: systemClock, commands, client: async () => client });
  assert.equal(status, 0);
  assert.match(said.out, /about a\.service[\s\S]*about b\.service/);
  const sentence = (unit: string) => `Unit ${unit}: 11111111.../10.0.0.1: its fleetd does not respond\n`;
  assert.equal(said.err, args.map(sentence).join(''));
});
