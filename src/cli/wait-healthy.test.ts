import assert from 'node:assert/strict';
import { once } from 'node:events';
import { rmSync, writeFileSync } from 'node:fs';
import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, test } from 'node:test';
import { freePort } from '../lib/test-free-port.ts';
import { until } from '../lib/test-until.ts';
import { TestLab } from './test-lab.ts';

let lab: TestLab;
before(async () => {
  lab = await TestLab.start(1);
});
after(() => lab?.close());

/** A unit that listens on the port only while the file exists; its check connects to the port. */
function checked(port: number, file: string): string {
  const program = `const t = setInterval(() => { if (require("fs").existsSync("${file}")) { clearInterval(t); require("http").createServer((q, r) => r.end("well")).listen(${port}) } }, 10)`;
  return `[Service]\nExecStart=${process.execPath} -e '${program}'\n[X-Service]\nName=web\nPort=${port}\nTags=http\nCheck=tcp\nInterval=100ms\n`;
}

test('start returns when the checks pass and the router knows, and says that it waits', async () => {
  const port = await freePort();
  const flag = lab.write('well', '');
  rmSync(flag);
  const file = lab.write('web.service', checked(port, flag));
  const { ran, ended } = lab.begin('start', file);
  await until('the wait is explained', () => ran.err.includes('waiting for its checks'));
  assert.equal(lab.anonymous(ran.out), 'Unit web.service launched on MACHINE\n');
  assert.match(
    ran.err,
    /^Unit web\.service runs and is waiting for its checks: service web on port \d+ is critical( \(.*\))?; still trying for 4m59s\n$/,
  );
  writeFileSync(flag, '');
  assert.equal((await ended).status, 0);
  assert.deepEqual(await get('web.example.com'), { status: 200, text: 'well' });
});

/** Sends one request through the machine's router. */
async function get(host: string): Promise<{ status: number | undefined; text: string }> {
  const { listening } = JSON.parse(await lab.ok('router routes -o json'));
  return new Promise((resolve, reject) => {
    const asked = request(listening[0], { headers: { host }, agent: false }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk) => {
        text += chunk;
      });
      response.on('end', () => resolve({ status: response.statusCode, text }));
    });
    asked.on('error', reject).end();
  });
}

test('a restart waits as well, each time anew', async () => {
  for (let i = 0; i < 3; i++) {
    assert.equal((await lab.run('restart web')).status, 0);
    const { instances } = JSON.parse(await lab.ok('services web -o json'));
    assert.deepEqual(
      instances.map(({ health }: { health: string }) => health),
      ['passing'],
    );
  }
});

test('a check that stays critical ends the wait with a sentence, or is not waited for', async () => {
  const refusing = createServer().listen(0, '127.0.0.1');
  await once(refusing, 'listening');
  const { port } = refusing.address() as AddressInfo;
  refusing.close();
  lab.write('sick.service', checked(port, '/nonexistent').replace('Name=web', 'Name=sick'));
  const late = await lab.run('start --timeout 2s ~/sick.service');
  assert.equal(late.status, 1);
  assert.equal(lab.anonymous(late.out), 'Unit sick.service launched on MACHINE\n');
  assert.match(
    late.err.split('\n').at(-2)!,
    /^Error waiting for units: timed out after 2s waiting for the checks of unit sick\.service: service sick on port \d+ is critical( \(.*\))?; it runs on; see: fleetctl services sick$/,
  );
  assert.match(await lab.ok('start --no-wait-healthy sick'), /^Unit sick\.service launched on /);
  assert.match(await lab.ok('start --no-block sick'), /^Triggered unit sick\.service start\n$/);
});
