import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import { type TestContext, test } from 'node:test';
import { ask, askRaw, type OpenPlane, planeFor, startBackend } from './data-plane-harness.ts';
import { bounded } from './data-plane-misbehaving.ts';
import { rawBackend } from './data-plane-unusual.ts';

const GET = 'GET / HTTP/1.1\r\nHost: web.x\r\nConnection: close\r\n\r\n';
const HINTS = 'HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n';
const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi';

/** What comes before the head of a response and behind its body (RFC 9110, 15.2 and 6.5). */
export function interimContract(open: OpenPlane): void {
  test('informational responses reach the client in their order, before the response', async (t) => {
    const { port, route } = await planeFor(t, open);
    // The second Link is none that Node itself would write.
    const odd = 'HTTP/1.1 103 Early Hints\r\nLink: not a link\r\nX-More: 1\r\n\r\n';
    await route(await rawBackend(t, `HTTP/1.1 102 Processing\r\n\r\n${HINTS}${odd}${OK}`));
    const text = await bounded('the response', askRaw(port, GET, false));
    assert.deepEqual(
      text.match(/^HTTP\/1\.1 \d+/gm),
      ['102', '103', '103', '200'].map((code) => `HTTP/1.1 ${code}`),
    );
    assert.match(text, /103 .*Link: <\/a\.css>; rel=preload\r\n.*103 .*Link: not a link\r\nX-More: 1\r\n.*hi$/is);
  });

  test('informational responses of a request that waits behind another one come in their turn', async (t) => {
    const { port, route } = await planeFor(t, open);
    await route(await rawBackend(t, HINTS + OK));
    const requests = `${'GET / HTTP/1.1\r\nHost: web.x\r\n\r\n'.repeat(2)}${GET}`;
    const text = await bounded('the responses', askRaw(port, requests, false));
    assert.deepEqual(
      text.match(/HTTP\/1\.1 \d+/g)?.map((line) => line.slice(-3)),
      ['103', '200', '103', '200', '103', '200'],
    );
  });

  test('trailers of a response reach the client, announced ones too', async (t) => {
    const { port, route } = await planeFor(t, open);
    const { backend } = await startBackend(t, 'a', (request, response) => {
      response.writeHead(200, { trailer: 'x-sum, x-status' });
      response.write('body');
      response.addTrailers([
        ['X-Sum', '42'],
        ['X-Status', String(request.headers.te)],
      ]);
      response.end();
    });
    await route(backend);
    const response = await get(t, port, { te: 'trailers' });
    assert.equal(response.headers.trailer?.replaceAll(' ', ''), 'x-sum,x-status');
    let body = '';
    for await (const text of response.setEncoding('utf8')) body += text;
    assert.equal(body, 'body');
    assert.deepEqual({ ...response.trailers }, { 'x-sum': '42', 'x-status': 'trailers' });
    assert.equal((await ask(port)).body, 'body');
  });
}

async function get(test: TestContext, port: number, headers: http.OutgoingHttpHeaders): Promise<http.IncomingMessage> {
  const options = { host: '127.0.0.1', port, agent: false, headers: { host: 'web.x', connection: 'te', ...headers } };
  const request = http.get(options);
  test.after(() => request.destroy());
  const [response] = (await bounded('the response', once(request, 'response'))) as [http.IncomingMessage];
  return response;
}
