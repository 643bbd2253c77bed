import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { systemClock as clock, createLog, systemRandom as random } from '../../src/lib/index.ts';
import { ContainerServices } from '../../src/services/sources/index.ts';

const directory = mkdtempSync(path.join(tmpdir(), 'large-'));
const stopping = new AbortController();
after(() => {
  stopping.abort(new Error('stopped'));
  rmSync(directory, { recursive: true, force: true });
});

const list = <T>(count: number, of: (i: number) => T): T[] => Array.from({ length: count }, (_, i) => of(i));
const container = (name: string, config: object) => ({
  Id: name,
  Name: `/${name}`,
  State: { Running: true },
  Config: { Image: name, ...config },
});

const CONTAINERS: Readonly<Record<string, object>> = {
  ports: container('ports', { ExposedPorts: Object.fromEntries(list(65_535, (i) => [`${i + 1}/tcp`, {}])) }),
  text: container('text', { Labels: { note: 'x'.repeat(5 << 20) }, ExposedPorts: { '80/tcp': {} } }),
  good: container('good', {
    Labels: Object.fromEntries(list(16_000, (i) => [`note${i}`, 'x'.repeat(100)])),
    ExposedPorts: Object.fromEntries(list(1024, (i) => [`${i + 1}/tcp`, {}])),
  }),
};

test('a container that says too much to be read is left out with a line in the log, and others are not', async () => {
  const docker = createServer((request, response) => {
    const [, , id = ''] = request.url!.split('/');
    if (id.startsWith('json')) response.end(JSON.stringify(Object.keys(CONTAINERS).map((Id) => ({ Id }))));
    else if (request.url!.startsWith('/events')) response.writeHead(200).flushHeaders();
    else response.end(JSON.stringify(CONTAINERS[id]));
  });
  const socket = path.join(directory, 'docker.sock');
  await once(docker.listen(socket), 'listening');
  after(() => void docker.close().closeAllConnections());
  const lines: string[] = [];
  const services = new ContainerServices({
    socket,
    machine: () => ({ hostName: 'm1', address: '127.0.0.1', internal: false }),
    clock,
    random,
    log: createLog((line) => lines.push(line), 'info'),
  });
  for await (const state of services.states(AbortSignal.any([stopping.signal, AbortSignal.timeout(20_000)]))) {
    const leftOut = lines.filter((line) => /Container left out/.test(line));
    if (state.length < 1024 || leftOut.length < 2) continue;
    assert.deepEqual(new Set(state.map((registration) => registration.container)), new Set(['good']));
    assert.equal(state.length, 1024);
    for (const [i, name] of ['ports', 'text'].entries()) {
      const line = leftOut.find((each) => each.includes(name)) ?? `no line ${i} about ${name}`;
      assert.match(line, /it has more ports, labels and variables than are read: give it fewer/);
    }
    return;
  }
  assert.fail(lines.join('\n'));
});
