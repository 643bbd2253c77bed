/** Real DNS clients: dig, dnsperf, and HAProxy, which makes its servers from SRV records. */
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { systemClock as clock } from '../lib/index.ts';
import { startTestDns, type TestDns } from './test-dns.ts';

const run = promisify(execFile);
const lacks = (program: string, pkg: string) =>
  existsSync(program) ? false : `${program} is not there: apt-get install ${pkg}`;
const noDig = lacks('/usr/bin/dig', 'bind9-dnsutils');
const noDnsperf = lacks('/usr/bin/dnsperf', 'dnsperf');
const noHaproxy = lacks('/usr/sbin/haproxy', 'haproxy');

let dns: TestDns;
const folder = mkdtempSync(path.join(tmpdir(), 'fl-dns-'));
before(async () => {
  dns = await startTestDns();
  dns.catalog.nodes({ one: '127.0.0.1', two: '127.0.1.2' });
  const backends = Array.from({ length: 50 }, (_, index) => ({
    id: `b${index}`,
    address: `10.0.0.${index}`,
    port: 80,
  }));
  dns.catalog.set('big', backends);
  dns.catalog.set('small', [{ port: 8000 }, { node: 'two', port: 8001, tags: ['blue'] }]);
});
after(async () => {
  await dns.close();
  rmSync(folder, { recursive: true, force: true });
});

async function dig(...args: string[]): Promise<string> {
  const { stdout } = await run('dig', ['@127.0.0.1', '-p', String(dns.port), '+time=5', ...args]);
  return stdout;
}

test('dig: addresses, SRV with additional records, tags', { skip: noDig }, async () => {
  assert.deepEqual((await dig('+short', 'small.service.consul')).trim().split('\n').sort(), ['127.0.0.1', '127.0.1.2']);
  assert.equal((await dig('+short', 'blue.small.service.consul', 'SRV')).trim(), '1 1 8001 two.node.dc1.consul.');
  const srv = await dig('_small._tcp.service.consul', 'SRV');
  assert.match(srv, /flags: qr aa rd; QUERY: 1, ANSWER: 2, AUTHORITY: 0, ADDITIONAL: 3/);
  assert.match(srv, /^two\.node\.dc1\.consul\.\s+0\s+IN\s+A\s+127\.0\.1\.2$/m);
  assert.doesNotMatch(srv, /malformed|extra input/i);
});

test('dig: a host name is an alias', { skip: noDig }, async () => {
  dns.catalog.nodes({ far: 'Learn.example.com' }, 'external');
  const answer = await dig('far.node.consul');
  assert.match(answer, /^far\.node\.consul\.\s+0\s+IN\s+CNAME\s+learn\.example\.com\.$/m);
  assert.doesNotMatch(answer, /malformed|extra input/i);
});

test('dig: what is not there, with its SOA', { skip: noDig }, async () => {
  const answer = await dig('nothing.service.consul');
  assert.match(answer, /status: NXDOMAIN/);
  assert.match(
    answer,
    /AUTHORITY SECTION:\nconsul\.\s+0\s+IN\s+SOA\s+ns\.consul\. hostmaster\.consul\. \d+ 3600 600 86400 0/,
  );
  assert.match(await dig('small.service.consul', 'AAAA'), /status: NOERROR.*[\s\S]*ANSWER: 0, AUTHORITY: 1/);
  assert.match(await dig('example.com'), /status: REFUSED/);
});

test('dig: turns to TCP by itself when an answer was cut', { skip: noDig }, async () => {
  const answer = await dig('+noedns', 'big.service.consul', 'SRV');
  assert.match(answer, /Truncated, retrying in TCP mode/);
  assert.match(answer, /ANSWER: 50, AUTHORITY: 0, ADDITIONAL: 50/);
  assert.match(await dig('+noedns', '+ignore', 'big.service.consul'), /flags: qr aa tc rd/);
});

test('dnsperf: every question is answered', { skip: noDnsperf }, async () => {
  const questions = path.join(folder, 'questions');
  writeFileSync(
    questions,
    'small.service.consul A\nsmall.service.consul SRV\none.node.consul A\nnothing.service.consul A\n',
  );
  const args = ['-s', '127.0.0.1', '-p', String(dns.port), '-d', questions, '-n', '500', '-c', '4'];
  const { stdout } = await run('dnsperf', args);
  assert.match(stdout, /Queries completed:\s+2000 \(100\.00%\)/);
  assert.match(stdout, /NOERROR 1500 \(75\.00%\), NXDOMAIN 500 \(25\.00%\)/);
});

async function backend(name: string): Promise<{ server: Server; port: number }> {
  const server = createServer((_, response) => response.end(name)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { server, port: (server.address() as AddressInfo).port };
}

async function freePort(): Promise<number> {
  const { server, port } = await backend('');
  server.close();
  await once(server, 'close');
  return port;
}

function haproxyConfig(front: number): string {
  return `
global
  maxconn 100
defaults
  mode http
  timeout connect 2s
  timeout client 5s
  timeout server 5s
resolvers flotilla
  nameserver one 127.0.0.1:${dns.port}
  accepted_payload_size 8192
  hold valid 200ms
  timeout resolve 200ms
  timeout retry 200ms
frontend front
  bind 127.0.0.1:${front}
  default_backend back
backend back
  option http-server-close
  server-template web 20 _web._tcp.service.consul resolvers flotilla init-addr none resolve-prefer ipv4
`;
}

/** Returns which backends responded to 20 requests. */
async function seenBy(front: number): Promise<string> {
  const seen = new Set<string>();
  for (let count = 0; count < 20; count++) {
    const answer = await fetch(`http://127.0.0.1:${front}/`).catch(() => undefined);
    seen.add(answer?.ok ? await answer.text() : 'nobody');
    await answer?.body?.cancel().catch(() => {});
  }
  return [...seen].sort().join();
}

test('HAProxy: servers come and go with the catalog', { skip: noHaproxy, timeout: 60_000 }, async () => {
  const [a, b] = [await backend('a'), await backend('b')];
  const front = await freePort();
  const config = path.join(folder, 'haproxy.cfg');
  writeFileSync(config, haproxyConfig(front));
  const haproxy = spawn('/usr/sbin/haproxy', ['-db', '-f', config], { stdio: 'ignore' });
  const sees = async (wanted: string) => {
    const deadline = clock.monotonic() + 20_000;
    let seen = await seenBy(front);
    while (seen !== wanted && clock.monotonic() < deadline) {
      await clock.sleep(100);
      seen = await seenBy(front);
    }
    assert.equal(seen, wanted);
  };
  try {
    dns.catalog.set('web', [{ id: 'a', port: a.port }]);
    await sees('a');
    dns.catalog.set('web', [
      { id: 'a', port: a.port },
      { id: 'b', port: b.port },
    ]);
    await sees('a,b');
    dns.catalog.set('web', [
      { id: 'a', port: a.port, health: 'critical' },
      { id: 'b', port: b.port },
    ]);
    await sees('b');
  } finally {
    haproxy.kill('SIGKILL');
    await once(haproxy, 'exit');
    for (const { server } of [a, b]) {
      server.closeAllConnections();
      server.close();
    }
  }
});
