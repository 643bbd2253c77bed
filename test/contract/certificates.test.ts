/** Certificates that come, are renewed and go while requests are carried: the same on every data plane. */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import type http from 'node:http';
import https from 'node:https';
import os from 'node:os';
import path from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import tls from 'node:tls';
import { systemClock as clock } from '../../src/lib/index.ts';
import { until } from '../../src/lib/test-until.ts';
import { openHaproxyPlane } from '../../src/router/haproxy/index.ts';
import { NO_ROUTES, type RouterSettings } from '../../src/router/index.ts';
import { openProcessPlane } from '../../src/router/process/index.ts';
import { ask, closedPort, type OpenPlane, planeFor, startBackend, testLog } from './data-plane-harness.ts';
import { makePem, noOpenssl } from './make-certificate.ts';

const noHaproxy = spawnSync('haproxy', ['-v']).status === 0 ? false : 'haproxy is not installed (apt install haproxy)';
const table = NO_ROUTES;
const common = { table, clock, log: testLog };

function temporary(t: TestContext): string {
  const directory = mkdtempSync(path.join(os.tmpdir(), 'tls-'));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/** The host of the certificate that a client is shown, or the code of the error that it gets. */
async function shownTo(port: number, servername: string): Promise<string> {
  const socket = tls.connect({ host: '127.0.0.1', port, servername, rejectUnauthorized: false });
  try {
    await once(socket, 'secureConnect');
    return String(socket.getPeerCertificate().subject.CN);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? 'error';
  } finally {
    socket.destroy();
  }
}

/**
 * A client with one connection, which it keeps where it can. As HTTP clients do (RFC 9110, 9.2.2), it repeats a request whose
 * reused connection was closed before anything came back: HAProxy closes idle ones when it starts anew.
 */
function keeping(t: TestContext, port: number) {
  const agent = new https.Agent({ keepAlive: true, maxSockets: 1, rejectUnauthorized: false, servername: 'a.com' });
  t.after(() => agent.destroy());
  return async function steady(): Promise<number> {
    const request = https.get({ host: '127.0.0.1', port, agent, headers: { host: 'web.x' } });
    const got = once(request, 'response').catch((error: Error) => {
      if (request.reusedSocket) return undefined;
      throw error;
    });
    const [response] = ((await got) as [http.IncomingMessage] | undefined) ?? [];
    if (response === undefined) return await steady();
    response.resume();
    await once(response, 'end');
    return response.statusCode!;
  };
}

function certificatesContract(name: string, open: OpenPlane, skip: string | false): void {
  describe(`certificates of the data plane ${name}`, { skip: skip || noOpenssl }, () => {
    test('TLS begins with the first certificate, follows every change, and drops nothing', async (t) => {
      const [certificates, port] = [path.join(temporary(t), 'certificates'), await closedPort()];
      mkdirSync(certificates);
      const put = (file: string, pem: string) => {
        writeFileSync(path.join(certificates, `.${file}`), pem);
        renameSync(path.join(certificates, `.${file}`), path.join(certificates, file));
      };
      const settings = { certificates, listenTls: [{ host: '127.0.0.1', port }] };
      const { port: plainPort, route } = await planeFor(t, open, settings);
      await route((await startBackend(t, 'a', (_, response) => response.end('ok'))).backend);
      assert.equal((await ask(plainPort)).status, 200);
      assert.match(await shownTo(port, 'a.com'), /^(E|ERR_)/);

      put('a.pem', makePem('a.com'));
      await until('the first is shown', async () => (await shownTo(port, 'a.com')) === 'a.com');
      const steady = keeping(t, port);
      assert.equal(await steady(), 200);
      assert.equal(await shownTo(port, 'x.b.com'), 'a.com', 'there is no other');

      put('b.pem', makePem('*.b.com'));
      await until('the second is shown', async () => (await shownTo(port, 'x.b.com')) === '*.b.com');
      assert.equal(await shownTo(port, 'a.com'), 'a.com');
      assert.equal(await steady(), 200);

      put('a.pem', makePem('renewed.com', 'a.com'));
      await until('the renewed one is shown', async () => (await shownTo(port, 'a.com')) === 'renewed.com');
      assert.equal(await steady(), 200);

      put('broken.pem', 'no certificate');
      put('a.pem', makePem('again.com', 'a.com'));
      await clock.sleep(500);
      assert.equal(await shownTo(port, 'a.com'), 'renewed.com', 'a file of no use leaves things as they are');
      rmSync(path.join(certificates, 'broken.pem'));
      await until('the newest is shown', async () => (await shownTo(port, 'a.com')) === 'again.com');

      rmSync(path.join(certificates, 'b.pem'));
      await until('the second is gone', async () => (await shownTo(port, 'x.b.com')) === 'again.com');
      assert.equal(await steady(), 200);
      rmSync(path.join(certificates, 'a.pem'));
      await until('TLS is refused', async () => /^(E|ERR_)/.test(await shownTo(port, 'a.com')));
      assert.equal((await ask(plainPort)).status, 200);
    });

    test('a directory that is not there is named', async (t) => {
      const certificates = path.join(temporary(t), 'nowhere');
      const listenTls = [{ host: '127.0.0.1', port: await closedPort() }];
      const message = /router_certificates: cannot use .*nowhere: no such file or directory/;
      await assert.rejects(planeFor(t, open, { certificates, listenTls }), { code: 'usage', message });
    });
  });
}

certificatesContract('in process', (settings) => openProcessPlane({ ...common, settings }), false);

certificatesContract(
  'HAProxy',
  async (wanted, t) => {
    const listen = [{ host: '127.0.0.1', port: await closedPort() }];
    const settings: RouterSettings = { ...wanted, plane: 'haproxy', listen };
    return openHaproxyPlane({ ...common, settings, directory: temporary(t), onEnd: () => {} });
  },
  noHaproxy,
);
