/** HTTPS with certificates from the store, as a person sets it up. */

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import tls from 'node:tls';
import { until } from '../../src/lib/test-until.ts';
import { makePem, noOpenssl } from '../contract/make-certificate.ts';
import { LabFixture, type LabMachine } from './lab-fixture.ts';

describe('certificates in the store of a lab', { skip: noOpenssl }, () => {
  const lab = new LabFixture();
  let machines: readonly LabMachine[];
  before(async () => {
    await lab.up();
    machines = await lab.machines();
    assert.equal(machines.length, 3);
    for (const { endpoint } of machines)
      await until('its router listens', async () => (await fetch(`${endpoint}/fleet/v1/router/backends`)).ok);
  });
  after(() => lab.dispose());

  const file = (text: string) => {
    const name = path.join(lab.folder, 'new.pem');
    writeFileSync(name, text);
    return name;
  };
  /** What the machine shows who asks for that host; undefined when it refuses. */
  const shownBy = async ({ address, routerTlsPort }: LabMachine, servername: string) => {
    const socket = tls.connect({ host: address, port: routerTlsPort, servername, rejectUnauthorized: false });
    try {
      await once(socket, 'secureConnect');
      return String(socket.getPeerCertificate().subject.CN);
    } catch {
      return undefined;
    } finally {
      socket.destroy();
    }
  };
  const everywhere = (host: string, expected: string | undefined) =>
    until(`${expected} on every machine`, async () =>
      (await Promise.all(machines.map((machine) => shownBy(machine, host)))).every((shown) => shown === expected),
    );
  const kept = (machine: LabMachine) => path.join(machine.directory, 'state/router/certificates');
  const routerPid = (machine: LabMachine) =>
    (JSON.parse(readFileSync(path.join(kept(machine), '../router.pid'), 'utf8')) as { pid: number }).pid;

  test('what is added is served by every machine, what is removed is not, and nothing is left of it', async () => {
    const pids = machines.map(routerPid);
    await everywhere('a.com', undefined);
    assert.equal(await lab.ok('router', 'certificates'), 'NAME\tHOSTS\tEXPIRES\n');
    const pem = makePem('a.com', 'www.a.com');
    assert.equal(await lab.ok('router', 'certificates', 'add', 'a', file(pem)), 'Certificate a stored\n');
    const sinceMs = performance.now();
    await everywhere('a.com', 'a.com');
    console.log(`a certificate was shown by every machine after ${Math.round(performance.now() - sinceMs)} ms`);
    assert.match(await lab.ok('router', 'certificates', '--no-legend'), /^a\ta\.com www\.a\.com\t\d{4}-\d\d-\d\d\n$/);
    const [listed] = JSON.parse(await lab.ok('router', 'certificates', '-o', 'json'));
    assert.deepEqual([listed.name, listed.hosts], ['a', ['a.com', 'www.a.com']]);
    for (const machine of machines) {
      assert.equal(readFileSync(path.join(kept(machine), 'a.pem'), 'utf8'), pem);
      assert.equal(statSync(path.join(kept(machine), 'a.pem')).mode & 0o777, 0o600);
    }
    const renewed = file(makePem('renewed.com', 'a.com'));
    assert.equal(await lab.ok('router', 'certificates', 'add', 'a', renewed), 'Certificate a replaced\n');
    await everywhere('a.com', 'renewed.com');
    assert.equal(await lab.ok('router', 'certificates', 'remove', 'a'), 'Certificate a removed\n');
    await everywhere('a.com', undefined);
    for (const machine of machines) assert.deepEqual(readdirSync(kept(machine)), []);
    assert.deepEqual(machines.map(routerPid), pids, 'no router was started anew');
  });

  test('a router that starts anew shows what there is', async () => {
    await lab.ok('router', 'certificates', 'add', 'b', file(makePem('b.com')));
    await everywhere('b.com', 'b.com');
    process.kill(routerPid(machines[0]!), 'SIGKILL');
    await everywhere('b.com', 'b.com');
  });

  test('what cannot be used is refused in a sentence', async () => {
    const refused = async (args: readonly string[], status: number, words: RegExp) => {
      const result = await lab.run('router', 'certificates', ...args);
      assert.match(result.err, words);
      assert.equal(result.status, status);
    };
    await refused(['add', 'c', file('nothing')], 1, /there is no certificate in it/);
    await refused(['add', 'c', '/nowhere.pem'], 2, /cannot read \/nowhere\.pem/);
    await refused(['add', 'c'], 2, /add NAME FILE\.pem or remove NAME/);
    await refused(['remove', 'c'], 1, /no certificate c in the store/);
  });
});
