import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { prefixRange, type TlsOptions } from '../../src/store/index.ts';
import { connectTo, eventually, hasProgram, startEtcd, type TestServer } from './store-servers.ts';

const missing = ['etcd', 'etcdctl', 'openssl'].filter((program) => !hasProgram(program));
const skip =
  missing.length > 0 ? `${missing.join(' and ')} not installed (apt install etcd-server etcd-client openssl)` : false;

describe('Client of an etcd with TLS and users', { skip }, () => {
  const directory = mkdtempSync(path.join(tmpdir(), 'flotilla-secure-'));
  const file = (name: string) => path.join(directory, name);
  let server: TestServer;
  let tls: TlsOptions;

  const openssl = (line: string) => execFileSync('openssl', line.split(' '), { cwd: directory, stdio: 'pipe' });
  const read = (name: string) => readFileSync(file(name), 'utf8');
  const etcdctl = (line: string) => {
    const env = { ...process.env, ETCDCTL_API: '3' };
    const certs = ['--cacert', file('cert.pem'), '--cert', file('cert.pem'), '--key', file('key.pem')];
    execFileSync('etcdctl', ['--endpoints', server.endpoint, ...certs, ...line.split(' ')], { env, stdio: 'pipe' });
  };

  before(async () => {
    const names = 'subjectAltName=IP:127.0.0.1';
    openssl(`req -x509 -newkey rsa:2048 -nodes -days 2 -keyout key.pem -out cert.pem -subj /CN=test -addext ${names}`);
    tls = { ca: read('cert.pem'), cert: read('cert.pem'), key: read('key.pem') };
    server = await startEtcd({
      tls,
      args: [
        '--cert-file',
        file('cert.pem'),
        '--key-file',
        file('key.pem'),
        '--client-cert-auth',
        '--trusted-ca-file',
        file('cert.pem'),
      ],
    });
    for (const line of ['user add root:secret', 'user grant-role root root', 'user add fleet:word']) etcdctl(line);
    for (const line of ['role add fleet', 'role grant-permission fleet readwrite --prefix=true fleet/']) etcdctl(line);
    for (const line of ['user grant-role fleet fleet', 'auth enable']) etcdctl(line);
  });
  after(async () => {
    await server?.stop();
    rmSync(directory, { recursive: true, force: true });
  });

  test('a user works within its prefix, also after the server forgot its token', async () => {
    const store = connectTo(server.endpoint, { tls, username: 'fleet', password: 'word', keyPrefix: 'fleet/' });
    const { revision } = await store.commit([], [{ put: 'a', value: '1' }]);
    assert.equal((await store.get('a'))?.value, '1');
    const events: string[] = [];
    const watching = (async () => {
      for await (const batch of store.watch(prefixRange('a'), revision, AbortSignal.timeout(20_000)))
        for (const event of batch.events) events.push(event.type === 'put' ? event.entry.value : 'deleted');
    })();
    const lease = await store.lease(10_000);
    await server.restart();
    await eventually(() => store.commit([], [{ put: 'a', value: '2', lease: lease.id }]));
    await eventually(() => assert.ok(events.includes('2')));
    assert.ok((await store.revision()) > revision);
    assert.equal(lease.lost.aborted, false);
    await lease.revoke();
    await eventually(() => assert.equal(events.at(-1), 'deleted'));
    await store.close();
    await watching;
  });

  test('wrong passwords, foreign keys and missing certificates are refused clearly', async () => {
    const user = connectTo(server.endpoint, { tls, username: 'fleet', password: 'word' });
    await assert.rejects(user.get('elsewhere'), { code: 'forbidden', message: /permission denied/ });
    await user.close();
    const wrong = connectTo(server.endpoint, { tls, username: 'fleet', password: 'wrong' });
    await assert.rejects(wrong.get('fleet/a'), { code: 'unauthorized', message: /user name and a password/ });
    await wrong.close();
    const nobody = connectTo(server.endpoint, { tls });
    await assert.rejects(nobody.get('fleet/a'), { code: 'forbidden', message: /permission denied/ });
    await nobody.close();
    const untrusting = connectTo(server.endpoint);
    await assert.rejects(untrusting.revision(), { code: 'unavailable', message: /self-signed certificate/ });
    await untrusting.close();
  });
});
