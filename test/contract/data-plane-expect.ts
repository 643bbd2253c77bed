import assert from 'node:assert/strict';
import type http from 'node:http';
import net from 'node:net';
import { type TestContext, test } from 'node:test';
import { until } from '../../src/lib/test-until.ts';
import { backendAt, closedPort, type OpenPlane, planeFor, startBackend } from './data-plane-harness.ts';

const head = (method: string, more = 'Content-Length: 4\r\n') =>
  `${method} /up HTTP/1.1\r\nHost: web.x\r\nExpect: 100-continue\r\n${more}\r\n`;

/** A client speaks as its test tells it to. */
export interface Client {
  readonly socket: net.Socket;
  /** All that came so far. */
  text(): string;
  /** Waits for what has come to be like that. */
  expect(pattern: RegExp): Promise<unknown>;
}

/** Uploads whose clients wait to be told to send them (RFC 9110, 10.1.1). */
export function expectContract(open: OpenPlane): void {
  test('a body that the client holds back is sent when the backend wants it, whatever its framing', async (t) => {
    const { port, route } = await planeFor(t, open);
    const { backend, server } = await startBackend(t, 'a', (_, response) => response.end('never asked'));
    const asked: http.IncomingMessage[] = [];
    server.on('checkContinue', async (request: http.IncomingMessage, response: http.ServerResponse) => {
      asked.push(request);
      response.writeContinue();
      let body = '';
      for await (const text of request.setEncoding('utf8')) body += text;
      response.end(`${request.method} got ${body}`);
    });
    await route(backend);
    for (const method of ['POST', 'PUT', 'DELETE'])
      for (const [more, body] of [
        ['Content-Length: 4\r\n', 'body'],
        ['Transfer-Encoding: chunked\r\n', '4\r\nbody\r\n0\r\n\r\n'],
      ] as const) {
        const client = talkTo(t, port, head(method, more));
        await client.expect(/^HTTP\/1\.1 100 .*\r\n\r\n$/s);
        client.socket.write(body);
        await client.expect(new RegExp(`\r\n\r\nHTTP/1\\.1 200 .*${method} got body`, 's'));
        client.socket.destroy();
      }
    assert.equal(asked.length, 6);
  });

  test('a backend that does not want the body says so to a client that has sent none of it', async (t) => {
    const { port, route } = await planeFor(t, open);
    const { backend, server } = await startBackend(t, 'a', (_, response) => response.end('never asked'));
    let status = 0;
    let bytes = 0;
    server.on('checkContinue', (request: http.IncomingMessage, response: http.ServerResponse) => {
      request.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
      });
      request.on('error', () => {});
      response.writeHead(status, { 'content-length': 2 }).end('no');
    });
    await route(backend);
    // On a busy computer the second may pass after which a silent backend gets the body.
    for (status of [401, 413, 417])
      await until(`${status} comes first`, async () => {
        const client = talkTo(t, port, head('POST', 'Content-Length: 10000000\r\n'));
        await client.expect(/\r\n\r\nno$/);
        client.socket.destroy();
        return client.text().startsWith(`HTTP/1.1 ${status} `);
      });
    assert.equal(bytes, 0);
  });

  test('a request that expects to be told goes to another backend while nothing of its body was sent', async (t) => {
    const { port, route } = await planeFor(t, open);
    const { backend, server } = await startBackend(t, 'a', (_, response) => response.end('never asked'));
    server.on('checkContinue', (request: http.IncomingMessage, response: http.ServerResponse) => {
      response.writeContinue();
      request.on('end', () => response.end('good')).resume();
    });
    await route(backendAt('dead', await closedPort()), backend);
    for (let turn = 0; turn < 4; turn++) {
      const client = talkTo(t, port, head('POST'));
      await client.expect(/^HTTP\/1\.1 100 /);
      client.socket.write('body');
      await client.expect(/HTTP\/1\.1 200 .*good/s);
      client.socket.destroy();
    }
  });

  test('a client that does not wait to be told is served all the same', async (t) => {
    const { port, route } = await planeFor(t, open);
    const { backend } = await startBackend(t, 'a', (request, response) => {
      request.on('end', () => response.end('good')).resume();
    });
    await route(backend);
    const client = talkTo(t, port, `${head('POST')}body`);
    await client.expect(/HTTP\/1\.1 200 .*good/s);
  });
}

export function talkTo(test: TestContext, port: number, text: string): Client {
  const socket = net.connect({ host: '127.0.0.1', port }).setEncoding('latin1');
  test.after(() => socket.destroy());
  let all = '';
  socket.on('error', () => {});
  socket.on('data', (chunk: string) => {
    all += chunk;
  });
  socket.write(text);
  return {
    socket,
    text: () => all,
    expect: (pattern) =>
      until(`a response like ${pattern}`, () => pattern.test(all)).catch((error: Error) => {
        throw new Error(`${error.message}, but: ${JSON.stringify(all)}`);
      }),
  };
}
