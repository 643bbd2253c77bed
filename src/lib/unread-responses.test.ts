import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { createLog, mayBeQuiet, type UnreadLimits, UnreadResponses } from './index.ts';
import { until } from './test-until.ts';

/** More than the kernel's socket buffers hold for a client that does not read. */
const LARGE = Buffer.alloc(32 << 20, 'x');

interface Served {
  readonly unread: UnreadResponses;
  readonly lines: readonly string[];
  readonly handled: readonly string[];
  /** Sends GET requests for these paths and reads nothing. */
  deaf(...paths: readonly string[]): Promise<Socket>;
}

async function serve(
  t: TestContext,
  limits: UnreadLimits & { readonly idleMs?: number },
  respond: (incoming: IncomingMessage, outgoing: ServerResponse) => void = (_, outgoing) => void outgoing.end(LARGE),
): Promise<Served> {
  const lines: string[] = [];
  const handled: string[] = [];
  const unread = new UnreadResponses({ what: 'test', log: createLog((line) => lines.push(line)), ...limits });
  const listener: RequestListener = (incoming, outgoing) => {
    handled.push(incoming.url!);
    respond(incoming, outgoing);
  };
  const server = createServer({ keepAliveTimeout: 20_000 }, unread.inTurn(listener));
  server.timeout = limits.idleMs ?? 0;
  unread.watch(server);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  const deaf = async (...paths: readonly string[]) => {
    const socket = connect((server.address() as AddressInfo).port, '127.0.0.1').pause();
    socket.on('error', () => {});
    t.after(() => socket.destroy());
    await once(socket, 'connect');
    socket.write(paths.map((path) => `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`).join(''));
    return socket;
  };
  return { unread, lines, handled, deaf };
}

test('a client that reads nothing has one response made for it, however many it asks for', async (t) => {
  const { unread, handled, deaf } = await serve(t, { maxAhead: 1000 });
  await deaf(...Array.from({ length: 500 }, (_, i) => `/${i}`));
  await until('one response waits', () => unread.bytes > 0);
  const other = await deaf('/other');
  other.resume();
  await until('another client is served meanwhile', () => other.bytesRead > LARGE.length);
  assert.deepEqual(handled, ['/0', '/other']);
  assert.ok(unread.bytes <= LARGE.length + 1000, `${unread.bytes} bytes`);
});

test('requests that were sent ahead are responded to in their order, with all that they ask for', async (t) => {
  const { unread, handled, deaf } = await serve(t, {}, ({ url }, outgoing) => {
    // The first response takes the longest.
    setTimeout(() => outgoing.end(`<${url}>`), url === '/0' ? 50 : 0);
  });
  const paths = Array.from({ length: 60 }, (_, i) => `/${i}`);
  const socket = await deaf(...paths);
  let text = '';
  socket.on('data', (data) => (text += data)).resume();
  await until('all have come', () => text.includes('</59>'));
  assert.deepEqual(
    [...text.matchAll(/<(\/\d+)>/g)].map(([, path]) => path),
    paths,
  );
  assert.deepEqual(handled, paths);
  assert.equal(unread.bytes, 0);
});

test('of clients that leave too much unread together, the one with the most is ended, and said so', async (t) => {
  const sizes: Readonly<Record<string, number>> = { '/small': 20 << 20, '/large': 40 << 20, '/last': 10 << 20 };
  const { unread, lines, deaf } = await serve(t, { maxBytes: 65 << 20 }, ({ url }, outgoing) => {
    outgoing.end(Buffer.alloc(sizes[url!]!));
  });
  const small = await deaf('/small');
  const large = await deaf('/large');
  const both = sizes['/small']! + sizes['/large']!;
  await until('two wait', () => unread.bytes >= both);
  const last = await deaf('/last');
  // A paused socket does not notice that it was closed.
  await once(large.resume(), 'close');
  await until('what it held is given back', () => unread.bytes < both);
  assert.equal(lines.length, 1, lines.join('\n'));
  assert.match(lines[0]!, /Connection ended.*what=test client=127\.0\.0\.1 reason="clients have left \d+ bytes unread/);
  for (const [socket, path] of [
    [small, '/small'],
    [last, '/last'],
  ] as const) {
    socket.resume();
    await until(`${path} comes whole`, () => socket.bytesRead > sizes[path]!);
  }
  await until('nothing is held any more', () => unread.bytes === 0);
});

test('a client that takes nothing of its response for long is ended', async (t) => {
  const { unread, lines, deaf } = await serve(t, { stallMs: 100 });
  const socket = await deaf('/');
  await until('it is ended', () => lines.length > 0);
  assert.match(lines[0]!, /Connection ended.*reason="it takes nothing of its response" unreadBytes=\d{7}/);
  await once(socket.resume(), 'close');
  await until('nothing is held any more', () => unread.bytes === 0);
});

test('a client that sends too many requests ahead is ended', async (t) => {
  const { lines, handled, deaf } = await serve(t, { maxAhead: 10 }, () => {});
  const socket = await deaf(...Array.from({ length: 12 }, (_, i) => `/${i}`));
  await once(socket.resume(), 'close');
  assert.match(lines.join('\n'), /^.*Connection ended.*reason="it sends more than 10 requests ahead"[^\n]*$/);
  assert.deepEqual(handled, ['/0']);
});

test('more connections than allowed are not taken', async (t) => {
  const { handled, deaf } = await serve(t, { maxConnections: 2 }, () => {});
  await deaf('/1');
  await deaf('/2');
  await until('two are there', () => handled.length === 2);
  const third = await deaf('/3');
  await once(third.resume(), 'close');
  assert.equal(handled.length, 2);
});

test('a response that may be quiet outlives the limit on inactivity; one that is not read does not', async (t) => {
  let timeouts = 0;
  const responses: ServerResponse[] = [];
  const { lines, deaf } = await serve(t, { idleMs: 50 }, (incoming, outgoing) => {
    responses.push(outgoing);
    mayBeQuiet(outgoing);
    incoming.socket.on('timeout', () => timeouts++);
    outgoing.write('begun');
  });
  const socket = await deaf('/');
  await until('it was quiet for too long', () => timeouts > 0);
  let text = '';
  socket.on('data', (data) => (text += data)).resume();
  responses[0]!.write('more');
  await until('more comes', () => text.includes('more'));
  socket.pause();
  responses[0]!.write(LARGE);
  await until('it is ended', () => lines.some((line) => line.includes('takes nothing of its response')));
});
