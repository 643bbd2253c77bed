import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import { type TestContext, test } from 'node:test';
import type { Backend } from '../../src/router/index.ts';
import { ask, askRaw, backendAt, type OpenPlane, planeFor, startBackend } from './data-plane-harness.ts';
import { rawBackend } from './data-plane-unusual.ts';

const LIVES = 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nlives';
const OK = 'HTTP/1.1 200 OK\r\n';

/** What a backend sends, by what is wrong with it. `end`: it closes the connection behind it. */
const TRICKS: readonly (readonly [what: string, bytes: string, end?: true])[] = [
  ['nothing, and closes', '', true],
  ['half a status line', 'HTTP/1.1 20', true],
  ['half a head', `${OK}Content-Le`, true],
  ['no HTTP', 'SSH-2.0-OpenSSH_9.2\r\n', true],
  ['HTTP/0.9', '<html>hello</html>', true],
  ['the preface of HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', true],
  ['a control character in the reason phrase', 'HTTP/1.1 200 a\x01b\r\nContent-Length: 2\r\n\r\nhi'],
  ['an escape sequence in the reason phrase', 'HTTP/1.1 200 \x1b[31m\r\nContent-Length: 2\r\n\r\nhi'],
  ['a control character in a header', `${OK}X-A: a\x01b\r\nContent-Length: 2\r\n\r\nhi`],
  ['a NUL in a header', `${OK}X-A: a\0b\r\nContent-Length: 2\r\n\r\nhi`, true],
  ['a lone CR in a header', `${OK}X-A: a\rX-B: b\r\nContent-Length: 2\r\n\r\nhi`, true],
  ['a header without a colon', `${OK}X-A\r\nContent-Length: 2\r\n\r\nhi`, true],
  ['a space before the colon', `${OK}Content-Length : 2\r\n\r\nhi`, true],
  ['a folded header', `${OK}X-A: a\r\n b\r\nContent-Length: 2\r\n\r\nhi`, true],
  ['an empty header name', `${OK}: a\r\nContent-Length: 2\r\n\r\nhi`, true],
  ['a status of two digits', 'HTTP/1.1 20 OK\r\nContent-Length: 2\r\n\r\nhi', true],
  ['a status of 999', 'HTTP/1.1 999 Odd\r\nContent-Length: 2\r\n\r\nhi', true],
  ['a status of 0', 'HTTP/1.1 000 No\r\nContent-Length: 2\r\n\r\nhi', true],
  ['a status of four digits', 'HTTP/1.1 2000 OK\r\nContent-Length: 2\r\n\r\nhi', true],
  ['another version', 'HTTP/3.7 200 OK\r\nContent-Length: 2\r\n\r\nhi', true],
  ['two lengths', `${OK}Content-Length: 2\r\nContent-Length: 3\r\n\r\nhix`, true],
  ['a negative length', `${OK}Content-Length: -1\r\n\r\nhi`, true],
  ['a length in hexadecimal', `${OK}Content-Length: 0x2\r\n\r\nhi`, true],
  ['a length beyond all numbers', `${OK}Content-Length: 99999999999999999999999\r\n\r\nhi`, true],
  ['a length and chunks', `${OK}Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n`, true],
  ['less than its length', `${OK}Content-Length: 100\r\n\r\npart`, true],
  ['more than its length', `${OK}Content-Length: 2\r\n\r\nhi and more`, true],
  ['two responses', `${LIVES}${LIVES}`],
  ['chunks of no size', `${OK}Transfer-Encoding: chunked\r\n\r\nzz\r\nhi\r\n`, true],
  ['a chunk beyond all numbers', `${OK}Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\nhi`, true],
  ['a chunk that breaks off', `${OK}Transfer-Encoding: chunked\r\n\r\n5\r\nhi`, true],
  ['no last chunk', `${OK}Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n`, true],
  ['garbage behind a chunk', `${OK}Transfer-Encoding: chunked\r\n\r\n2\r\nhiGARBAGE\r\n0\r\n\r\n`, true],
  ['an unknown transfer encoding', `${OK}Transfer-Encoding: rot13\r\n\r\nuv`, true],
  ['a body behind 204', 'HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nhello', true],
  ['a body behind 304', 'HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\nhello', true],
  ['101 that nobody asked for', 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n', true],
  ['a thousand 100s', 'HTTP/1.1 100 Continue\r\n\r\n'.repeat(1000), true],
  ['a thousand 103s, then the response', `${'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n'.repeat(1000)}${LIVES}`],
  ['a head of 200 KB', `${OK}X-A: ${'a'.repeat(200_000)}\r\nContent-Length: 2\r\n\r\nhi`, true],
  ['20,000 headers', `${OK}${'X-A: a\r\n'.repeat(20_000)}Content-Length: 2\r\n\r\nhi`, true],
  ['bare line feeds', 'HTTP/1.1 200 OK\nContent-Length: 2\n\nhi', true],
  [
    'trailers that are forbidden',
    `${OK}Transfer-Encoding: chunked\r\nTrailer: Content-Length\r\n\r\n2\r\nhi\r\n0\r\nContent-Length: 9\r\n\r\n`,
  ],
];

/** A client gets one whole response, or sees that there is none; it never waits for ever, and the plane serves on. */
export function misbehavingBackends(open: OpenPlane): void {
  test(`${TRICKS.length} misbehaving backends harm nobody else`, { timeout: 120_000 }, async (t) => {
    const { port, route } = await planeFor(t, open, { answerTimeoutMs: 2000 });
    const good = await startBackend(t, 'good', (_, response) => response.end('good'));
    for (const [what, bytes, end] of TRICKS) {
      await route(await rawBackend(t, bytes, end));
      const text = await bounded(
        what,
        askRaw(port, 'GET / HTTP/1.1\r\nHost: web.x\r\nConnection: close\r\n\r\n', false),
      );
      // Informational responses may come first; what is not cut off has one final head.
      const heads = text.match(/^HTTP\/1\.[01] [2-5]\d\d /gm) ?? [];
      assert.ok(
        heads.length <= 1 || what.startsWith('more') || what.startsWith('two'),
        `${what}: ${text.slice(0, 300)}`,
      );
      assert.ok(text === '' || /^HTTP\/1\.[01] \d+ /.test(text), `${what}: ${text.slice(0, 300)}`);
      await route(good.backend);
      assert.equal((await bounded(what, ask(port))).body, 'good', what);
    }
  });

  test('garbage behind a response that has begun is no second response within it', async (t) => {
    const { port, route } = await planeFor(t, open);
    const { backend } = await startBackend(t, 'a', (request, response) => {
      response.writeHead(200, { 'content-length': 10 }).write('begin');
      request.resume();
    });
    await route(backend);
    const head = 'POST / HTTP/1.1\r\nHost: web.x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n';
    const socket = net.connect({ host: '127.0.0.1', port }).setEncoding('latin1');
    t.after(() => socket.destroy());
    let text = '';
    socket
      .on('error', () => {})
      .on('data', (chunk: string) => {
        text += chunk;
        if (text.endsWith('begin')) socket.write('no chunk at all\r\n');
      });
    socket.write(head);
    await bounded('the connection ends', once(socket, 'close'));
    assert.match(text, /^HTTP\/1\.1 200 .*begin$/s);
  });
}

/** Responds with 413 as soon as it has a head, and reads no more. */
export async function refusingBackend(test: TestContext): Promise<Backend> {
  const server = net.createServer((socket) => {
    socket.on('error', () => {});
    test.after(() => socket.destroy());
    socket.once('data', () => {
      socket.pause();
      socket.write('HTTP/1.1 413 Content Too Large\r\nContent-Length: 9\r\n\r\ntoo large');
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  test.after(() => void server.close());
  return backendAt('refusing', (server.address() as net.AddressInfo).port);
}

/** Nobody waits for ever. */
export async function bounded<T>(what: string, promise: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not within 20 s: ${what}`)), 20_000);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}
