import assert from 'node:assert/strict';
import { request } from 'node:http';
import { test } from 'node:test';
import { get, openTestConsul, put } from './test-consul.ts';

const { machines } = await openTestConsul();
const { port, url } = machines[0]!;

function ask(method: string, path: string, headers: Readonly<Record<string, string>>): Promise<number> {
  return new Promise((resolve, reject) => {
    const sent = request({ host: '127.0.0.1', port, path, method, headers, agent: false }, (response) => {
      response.resume();
      resolve(response.statusCode!);
    });
    sent.on('error', reject);
    sent.end();
  });
}

test('web pages of other sites deregister nothing and read nothing; clients of Consul do both', async () => {
  await put(`${url}/v1/agent/service/register`, { Name: 'db', Port: 1 });
  const away = '/v1/agent/service/deregister/db';
  const host = `127.0.0.1:${port}`;
  assert.equal(await ask('GET', away, { host, origin: 'http://evil.example' }), 403);
  assert.equal(await ask('PUT', away, { host, origin: 'http://evil.example' }), 403);
  assert.equal(await ask('GET', away, { host: `evil.example:${port}` }), 403);
  assert.equal(await ask('GET', away, { host, 'sec-fetch-site': 'cross-site' }), 403);
  assert.equal(await ask('GET', away, { host, 'accept-language': 'en' }), 403);
  assert.equal(await ask('GET', '/v1/kv/?recurse', { host: `evil.example:${port}` }), 403);
  assert.match((await get(`${url}/v1/agent/services`)).body, /"db"/);
  for (const name of ['localhost', 'm1.node.consul', '127.0.0.1'])
    assert.equal(await ask('GET', '/v1/agent/services', { host: `${name}:${port}` }), 200);
  assert.equal(await ask('GET', '/v1/agent/services', { host, origin: `http://${host}` }), 200);
  assert.equal(await ask('GET', away, { host }), 200);
  assert.doesNotMatch((await get(`${url}/v1/agent/services`)).body, /"db"/);
});
