import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { COMMANDS } from './commands.ts';
import { runFleetctl } from './run.ts';

/** Sets the title, clears the screen, moves the cursor, and reverses the order of letters. */
const EVIL = '\x1b]0;owned\x07\x1b[2J\r\x9b31m\u202e\x7f';
const SHOWN = '\\u001b]0;owned\\u0007\\u001b[2J\\u000d\\u009b31m\\u202e\\u007f';
const HIDDEN = /[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]/;
/** fleetctl's own control sequences: colours of cells, and the progress line. */
const OWN = /\x1b\[\d+m|\r\x1b\[K/g;

const ID = '0123456789abcdef0123456789abcdef';
const place = { machineID: ID, address: `10.0.0.1${EVIL}`, reason: EVIL };
const summary = {
  name: 'a.service',
  hash: 'f'.repeat(40),
  description: EVIL,
  desiredState: 'launched',
  currentState: 'launched',
  global: false,
  placements: [
    {
      ...place,
      desiredState: 'launched',
      status: { hash: 'f'.repeat(40), state: 'launched', load: EVIL, active: `active${EVIL}`, sub: EVIL, note: EVIL },
    },
  ],
};
const service = {
  name: 'web',
  instances: [
    {
      ...{ id: EVIL, machineID: ID, node: EVIL, address: EVIL, port: 80, tags: [EVIL], meta: {}, source: 'api' },
      ...{ unit: EVIL, routes: [], health: 'critical' },
      checks: [{ id: EVIL, name: EVIL, type: 'http', status: 'critical', output: EVIL, notes: EVIL }],
    },
  ],
};
const happened = { type: 'happened', revision: 2, atMs: 1, subject: 'unit', name: EVIL, sentence: EVIL };
const streamed = [happened, { type: 'ready', revision: 3, machines: 1 }];
/**
 * A hostile server's responses by path without the prefix; every other request gets an error with a hostile message.
 */
const ANSWERS: Readonly<Record<string, unknown>> = {
  '/summaries': { units: [summary] },
  '/units/a.service': { name: 'a.service', options: [{ section: 'Unit', name: 'Description', value: EVIL }] },
  '/units/a.service/why': { name: 'a.service', placements: [place], machines: [place], summary: EVIL },
  '/units/a.service/status': {
    name: 'a.service',
    reports: [{ ...place, text: `a.service - ${EVIL}\n`, exitCode: 0 }],
  },
  '/units/a.service/journal': `one ${EVIL}\n`,
  '/machines': { machines: [{ id: ID, primaryIP: EVIL, metadata: { host: EVIL } }] },
  '/services': { services: [service] },
  '/services/web': service,
  '/services/db': { name: 'db', instances: [{ ...service.instances[0]!, health: 'passing', checks: [] }] },
  '/router': { plane: EVIL, listening: [EVIL], failure: EVIL, revision: 1, routes: [], problems: [] },
  '/router/config/nginx': `# ${EVIL}\n`,
  '/events': streamed.map((event) => `id: 3\ndata: ${JSON.stringify(event)}\n\n`).join(''),
};

/** The lines to try for each command, except commands that print only fleetctl's own text or hand the terminal over. */
const LINES: Readonly<Record<string, readonly string[]>> = {
  cat: ['cat b'],
  completion: [],
  destroy: ['destroy a'],
  events: ['events', 'events -o json'],
  'fd-forward': [],
  help: [],
  journal: ['journal a'],
  lab: [],
  'list-machines': ['list-machines -l', 'list-machines -o json', 'list-machines --no-legend'],
  'list-unit-files': ['list-unit-files --fields unit,target,desc', 'list-unit-files -o json'],
  'list-units': ['list-units -l', 'list-units --no-legend', 'list-units -o json'],
  load: ['load ~/c.service'],
  resolve: ['resolve db'],
  restart: ['restart a'],
  router: ['router routes', 'router render nginx'],
  services: ['services', 'services web', 'services web -o json'],
  ssh: [],
  start: ['start ~/c.service'],
  status: ['status a', 'status -o json a'],
  stop: ['stop a'],
  submit: ['submit ~/c.service', `submit ~/${EVIL}.service`],
  unload: ['unload a'],
  verify: [],
  version: [],
  wait: ['wait b'],
  why: ['why a', 'why -o json a'],
};

describe('what comes from outside reaches a terminal as text', () => {
  let server: Server;
  let endpoint = '';
  const folder = mkdtempSync(join(tmpdir(), 'fl-shown-'));

  before(async () => {
    writeFileSync(join(folder, 'c.service'), '[Service]\nExecStart=/bin/true\n');
    server = createServer((request, response) => {
      const path = new URL(request.url!, 'http://localhost').pathname.replace('/fleet/v1', '');
      const refused = request.method !== 'GET' || request.url!.includes('unit=b.service');
      const answer = refused ? undefined : ANSWERS[path];
      const failure = { error: { code: 400, message: `no: ${EVIL}` } };
      const type = path === '/events' ? 'text/event-stream' : 'application/json';
      response.writeHead(answer === undefined ? 400 : 200, { 'Content-Type': type });
      response.end(typeof answer === 'string' ? answer : JSON.stringify(answer ?? failure));
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  after(() => {
    server.close();
    rmSync(folder, { recursive: true });
  });

  const run = async (line: string, terminal: boolean) => {
    let text = '';
    const add = (more: string) => {
      text += more;
    };
    const argv = line.split(' ').map((word) => word.replace(/^~\//, `${folder}/`));
    await runFleetctl(argv, {
      out: add,
      err: add,
      env: { FLEETCTL_ENDPOINT: endpoint },
      inIsTerminal: () => false,
      outIsTerminal: () => terminal,
      errIsTerminal: () => terminal,
    });
    return text;
  };

  test('every command is tried', () => {
    assert.deepEqual(Object.keys(LINES).sort(), COMMANDS.map(({ name }) => name).sort());
  });

  for (const line of Object.values(LINES).flat())
    for (const terminal of [true, false])
      test(`${JSON.stringify(line)} ${terminal ? 'on a terminal' : 'in a pipe'}`, async () => {
        const text = await run(line, terminal);
        // Programs get the journal and the router's file unchanged.
        if (!terminal && /^(journal a|router render)/.test(line)) return assert.ok(text.includes(EVIL), text);
        assert.doesNotMatch(text.replace(OWN, ''), HIDDEN);
        // Compare what the screen shows: JSON and quoted names write some controls in a shorter form, and long cells
        // are shortened in the middle.
        assert.match(text.replaceAll('\\\\', '\\'), /\\u00(?:1b\]0;owned|…)/);
        if (/^why a$/.test(line)) assert.ok(text.includes(SHOWN), text);
      });

  test('cat prints the file byte for byte', async () => {
    for (const terminal of [true, false]) assert.equal(await run('cat a', terminal), `[Unit]\nDescription=${EVIL}\n`);
  });
});
