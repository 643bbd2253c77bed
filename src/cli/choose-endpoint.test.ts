import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { endpointText, labDirectory } from '../client/index.ts';
import { chooseEndpoints } from './choose-endpoint.ts';
import { resolveFlags, splitLine } from './flags.ts';
import { GLOBAL_FLAGS } from './global-flags.ts';

const directory = mkdtempSync(join(tmpdir(), 'flotilla-endpoint-'));
after(() => rmSync(directory, { recursive: true }));

function choose(argv: string[], env: Record<string, string> = {}): { endpoints: string[]; said: string } {
  let said = '';
  const io = {
    out: () => {},
    err: (text: string) => {
      said += text;
    },
    env: { FLOTILLA_LAB: join(directory, 'none'), ...env },
    inIsTerminal: () => false,
    outIsTerminal: () => false,
    errIsTerminal: () => false,
  };
  const { found } = splitLine(argv, GLOBAL_FLAGS, () => false);
  const flags = resolveFlags(found, [], GLOBAL_FLAGS, { command: 'x', env: io.env });
  return { endpoints: chooseEndpoints(flags, io).map(endpointText), said };
}

function lab(content: string): string {
  const at = mkdtempSync(join(directory, 'lab-'));
  writeFileSync(join(at, 'lab.json'), content);
  return at;
}

test('the endpoint that was named is taken; of several the first, and it says so', () => {
  assert.deepEqual(choose(['--endpoint', 'http://a:1']), { endpoints: ['http://a:1'], said: '' });
  assert.deepEqual(choose([], { FLEETCTL_ENDPOINT: 'http://a:1,http://b:2' }), {
    endpoints: ['http://a:1'],
    said: 'multiple endpoints provided but only the first (http://a:1) is used\n',
  });
});

// On a computer with a fleetd of its own, that is the default endpoint and nothing is left to choose.
const ownFleetd = existsSync('/var/run/fleet.sock');

test('without one, the machines of a lab that runs here, the dead last', {
  skip: ownFleetd && 'a fleetd runs here',
}, () => {
  const socket = join(directory, 'fleet.sock');
  writeFileSync(socket, '');
  const machines = [
    { number: 1, state: 'daemon-dead', endpoint: 'http://127.0.1.1:1' },
    { number: 2, state: 'up', endpoint: 'http://127.0.1.2:1', socket },
    { number: 3, state: 'up', endpoint: 'http://127.0.1.3:1', socket: '/nowhere' },
  ];
  const at = lab(JSON.stringify({ machines }));
  assert.deepEqual(choose([], { FLOTILLA_LAB: at }), {
    endpoints: [`unix://${socket}`, 'http://127.0.1.3:1', 'http://127.0.1.1:1'],
    said: '',
  });
});

test('a lab file that is missing or damaged is as good as none', { skip: ownFleetd && 'a fleetd runs here' }, () => {
  for (const content of ['', '{', '{}', '{"machines":7}', 'null']) {
    const { endpoints, said } = choose([], { FLOTILLA_LAB: lab(content) });
    assert.deepEqual([endpoints, said], [['unix:///var/run/fleet.sock'], ''], content);
  }
});

test('the lab is looked for where the environment says', () => {
  mkdirSync(join(directory, 'home'));
  assert.equal(labDirectory({ FLOTILLA_LAB: '/x' }), '/x');
  assert.equal(labDirectory({ XDG_STATE_HOME: '/s', HOME: '/h' }), '/s/flotilla/lab');
  assert.equal(labDirectory({ HOME: '/h' }), '/h/.local/state/flotilla/lab');
});
