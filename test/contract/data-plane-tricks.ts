import assert from 'node:assert/strict';
import net from 'node:net';
import { type TestContext, test } from 'node:test';
import { foldHeaderName, UNTRUSTED_HEADERS } from '../../src/router/untrusted-headers.ts';
import { ask, type OpenPlane, planeFor, startBackend } from './data-plane-harness.ts';
import { bounded } from './data-plane-misbehaving.ts';

/** A request that must not reach a backend as one of its own. */
const SMUGGLED = 'GET /smuggled HTTP/1.1\r\nHost: web.x\r\n\r\n';
const CHUNKED = 'Transfer-Encoding: chunked\r\n';
const LAST = '0\r\n\r\n';
const request = (line: string, headers = '', body = '') => `${line} HTTP/1.1\r\nHost: web.x\r\n${headers}\r\n${body}`;
const get = (headers: string, body = '') => request('GET /', headers, body);
const post = (headers: string, body = '') => request('POST /', headers, body);
const length = (bytes: number | string) => `Content-Length: ${bytes}\r\n`;
/** A request whose length is said twice, in chunks and in bytes. */
const both = (coding: string, more = '') =>
  post(`${coding}${length(LAST.length + SMUGGLED.length)}${more}`, LAST + SMUGGLED);

/** HAProxy 2.6 passes these on, and Node, as a backend, refuses them: docs/router.md names them. */
const PASSED_ON: ReadonlySet<string> = new Set(['trailers that are a length', 'a NUL in a value', 'an unknown method']);

/** What a client sends, by what is odd in it. Where that is no whole request, the client ends its half behind it. */
const TRICKS: readonly (readonly [what: string, bytes: string | Buffer, end?: true])[] = [
  // Two lengths (RFC 9112, 6.3)
  ['a length and chunks', post(`${CHUNKED}${length(4)}`, `5c\r\n${SMUGGLED}`), true],
  ['chunks behind a space', both('Transfer-Encoding : chunked\r\n'), true],
  ['chunks behind a tab', both('Transfer-Encoding\t: chunked\r\n'), true],
  ['chunks with a vertical tab', both('Transfer-Encoding: \x0bchunked\r\n'), true],
  ['chunks in quotes', both('Transfer-Encoding: "chunked"\r\n'), true],
  ['chunks under another name', both('Transfer-Encoding: xchunked\r\n'), true],
  ['chunks, then identity', both('Transfer-Encoding: chunked, identity\r\n'), true],
  ['chunks twice', both(`${CHUNKED}${CHUNKED}`), true],
  ['identity', both('Transfer-Encoding: identity\r\n'), true],
  ['an empty transfer encoding', both('Transfer-Encoding:\r\n'), true],
  ['a folded transfer encoding', both('Transfer-Encoding:\r\n chunked\r\n'), true],
  ['a transfer encoding behind a lone LF', both('X: a\nTransfer-Encoding: chunked\r\n'), true],
  ['a transfer encoding behind a lone CR', both('X: a\rTransfer-Encoding: chunked\r\n'), true],
  ['two lengths', post(`${length(0)}${length(SMUGGLED.length)}`, SMUGGLED), true],
  ['two lengths in one header', post(length(`0, ${SMUGGLED.length}`), SMUGGLED), true],
  ['a length with a sign', post(length(`+${SMUGGLED.length}`), SMUGGLED), true],
  ['a negative length', post(length(-1), SMUGGLED), true],
  ['a length in hexadecimal', post(length('0x10'), SMUGGLED), true],
  ['a length with a space in it', post(length('4 0'), SMUGGLED), true],
  ['a length with a point', post(length('0.0'), SMUGGLED), true],
  ['an empty length', post(length(''), SMUGGLED), true],
  ['a length beyond all numbers', post(length('18446744073709551616'), SMUGGLED), true],
  ['a length with a NUL', post(length('0\0'), SMUGGLED), true],
  ['a length behind a space', post(`Content-Length : ${SMUGGLED.length}\r\n`, SMUGGLED), true],
  [
    'a length that a client calls its own',
    post(`Connection: close, content-length\r\n${length(SMUGGLED.length)}`, SMUGGLED),
  ],
  [
    'chunks that a client calls its own',
    post(`Connection: close, transfer-encoding\r\n${CHUNKED}`, `2\r\nhi\r\n${LAST}`),
  ],
  ['a request as the body of GET', get(`Connection: close\r\n${length(SMUGGLED.length)}`, SMUGGLED)],
  ['a request as the body of HEAD', request('HEAD /', `Connection: close\r\n${length(SMUGGLED.length)}`, SMUGGLED)],
  ['a request as the body of DELETE', request('DELETE /', `Connection: close\r\n${length(SMUGGLED.length)}`, SMUGGLED)],
  [
    'a request as the body of OPTIONS',
    request(
      'OPTIONS /',
      `Connection: close\r\n${CHUNKED}`,
      `${SMUGGLED.length.toString(16)}\r\n${SMUGGLED}\r\n${LAST}`,
    ),
  ],
  ['less than the length', post(length(100), 'part'), true],
  // Chunks (RFC 9112, 7.1)
  ['a chunk of no size', post(CHUNKED, `\r\n${SMUGGLED}`), true],
  ['a chunk of negative size', post(CHUNKED, `-1\r\n${SMUGGLED}`), true],
  ['a chunk size in 0x', post(CHUNKED, `0x0\r\n\r\n${SMUGGLED}`), true],
  ['a chunk beyond all numbers', post(CHUNKED, `10000000000000000\r\n${SMUGGLED}`), true],
  ['a chunk that is longer than its size', post(CHUNKED, `1\r\nabc\r\n${LAST}${SMUGGLED}`), true],
  ['a chunk extension', post(`Connection: close\r\n${CHUNKED}`, `2;a=b\r\nhi\r\n${LAST}`)],
  ['a lone LF in a chunk extension', post(CHUNKED, `2;\n${SMUGGLED}`), true],
  ['a lone CR in a chunk extension', post(CHUNKED, `0;a\r\r\n\r${SMUGGLED}`), true],
  ['a chunk extension of 100 KB', post(CHUNKED, `2;${'a'.repeat(100_000)}\r\nhi\r\n${LAST}`), true],
  [
    'forged trailers',
    post(`Connection: close\r\n${CHUNKED}`, '2\r\nhi\r\n0\r\nX-Forwarded-For: 6.6.6.6\r\nX-Real-IP: 6.6.6.6\r\n\r\n'),
  ],
  ['trailers that are a length', post(`Connection: close\r\n${CHUNKED}`, `2\r\nhi\r\n0\r\n${length(99)}\r\n`)],
  // Heads (RFC 9112, 2.2 and 5)
  ['a folded header', get('X-A: a\r\n X-Real-IP: 6.6.6.6\r\n'), true],
  ['a folded first header', 'GET / HTTP/1.1\r\n X-Real-IP: 6.6.6.6\r\nHost: web.x\r\n\r\n', true],
  ['a header behind a lone LF', get('Connection: close\r\nX-A: a\nX-Real-IP: 6.6.6.6\r\n'), true],
  ['a header behind a lone CR', get('X-A: a\rX-Real-IP: 6.6.6.6\r\n'), true],
  ['a NUL in a value', get('X-A: a\0b\r\n'), true],
  ['a NUL in a name', get('X\0A: a\r\n'), true],
  ['a header without a colon', get('X-Real-IP\r\n'), true],
  ['an empty header name', get(': 6.6.6.6\r\n'), true],
  ['a name that is no token', get('X-Real(IP): 6.6.6.6\r\n'), true],
  ['a head of lone LFs', 'GET / HTTP/1.1\nHost: web.x\nConnection: close\n\n', true],
  ['3,000 headers', get(`Connection: close\r\n${'a: b\r\n'.repeat(3000)}`)],
  ['20,000 headers', get('a: b\r\n'.repeat(20_000)), true],
  ['a header of 200 KB', get(`X-A: ${'a'.repeat(200_000)}\r\n`), true],
  ['half a head', 'GET / HTTP/1.1\r\nHost: web.x\r\nX-', true],
  ['empty lines first', `\r\n\r\n${get('Connection: close\r\n')}`],
  // Who asks
  [
    'every forged header',
    get(`Connection: close\r\n${UNTRUSTED_HEADERS.map((name) => `${name}: 6.6.6.6\r\n`).join('')}`),
  ],
  [
    'every forged header with _',
    get(
      `Connection: close\r\n${UNTRUSTED_HEADERS.map((name) => `${name.replaceAll('-', '_')}: 6.6.6.6\r\n`).join('')}`,
    ),
  ],
  ['forged headers in capitals', get('Connection: close\r\nX-REAL-IP: 6.6.6.6\r\nX-FORWARDED_PROTO: https\r\n')],
  [
    'our headers named by Connection',
    get('Connection: close, x-forwarded-for, x-real-ip, x-forwarded-proto, x-forwarded-host\r\n'),
  ],
  ['Host named by Connection', get('Connection: close, host\r\n')],
  // Hosts (RFC 9112, 3.2)
  ['no host', 'GET / HTTP/1.1\r\nConnection: close\r\n\r\n'],
  ['two hosts', get('Host: other.x\r\nConnection: close\r\n')],
  ['a host of two words', 'GET / HTTP/1.1\r\nHost: web.x other.x\r\nConnection: close\r\n\r\n'],
  ['a host with a path', 'GET / HTTP/1.1\r\nHost: web.x/smuggled\r\nConnection: close\r\n\r\n'],
  ['a host with a user', 'GET / HTTP/1.1\r\nHost: a@web.x\r\nConnection: close\r\n\r\n'],
  ['a whole URL with another host', request('GET http://other.x/smuggled', 'Connection: close\r\n')],
  ['a whole URL with another protocol', request('GET ftp://web.x/', 'Connection: close\r\n')],
  // Request lines (RFC 9112, 3)
  ['HTTP/0.9', 'GET /\r\n', true],
  ['HTTP/1.0 without a host', 'GET / HTTP/1.0\r\n\r\n'],
  ['HTTP/2.0', 'GET / HTTP/2.0\r\nHost: web.x\r\n\r\n', true],
  ['the preface of HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', true],
  ['a version of two digits', 'GET / HTTP/1.10\r\nHost: web.x\r\n\r\n', true],
  ['a space in the path', 'GET /a /smuggled HTTP/1.1\r\nHost: web.x\r\n\r\n', true],
  ['a tab for a space', 'GET\t/\tHTTP/1.1\r\nHost: web.x\r\n\r\n', true],
  ['an unknown method', request('BREW /pot', 'Connection: close\r\n')],
  ['a method that is no token', 'G(T / HTTP/1.1\r\nHost: web.x\r\n\r\n', true],
  ['CONNECT', 'CONNECT web.x:80 HTTP/1.1\r\nHost: web.x:80\r\n\r\n', true],
  ['TRACE', request('TRACE /', 'Connection: close\r\n')],
  ['OPTIONS *', request('OPTIONS *', 'Connection: close\r\n')],
  ['a path that climbs', request('GET /../../%2e%2e/etc/passwd', 'Connection: close\r\n')],
  ['an encoded line end in the path', request('GET /%0d%0aX-Real-IP:%206.6.6.6', 'Connection: close\r\n')],
  ['broken percent signs', request('GET /%zz%', 'Connection: close\r\n')],
  ['UTF-8 in the path', Buffer.from(request('GET /grüße', 'Connection: close\r\n')), true],
  ['a NUL in the path', request('GET /a\0b'), true],
  ['a fragment', request('GET /a#b', 'Connection: close\r\n'), true],
  ['a path of 20 KB', request(`GET /${'a'.repeat(20_000)}`, 'Connection: close\r\n')],
  ['a path of 200 KB', request(`GET /${'a'.repeat(200_000)}`), true],
  // Other protocols and interim responses (RFC 9110, 7.8 and 10.1.1)
  ['h2c', get('Connection: close, Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n')],
  ['h2c among others', get('Connection: Upgrade\r\nUpgrade: websocket, h2c\r\n', SMUGGLED), true],
  ['an upgrade that the backend refuses', get('Connection: Upgrade\r\nUpgrade: echo\r\n', SMUGGLED), true],
  ['Expect: 100-continue', post(`Connection: close\r\nExpect: 100-continue\r\n${length(2)}`, 'hi')],
  ['another Expect', post(`Connection: close\r\nExpect: tea\r\n${length(2)}`, 'hi')],
  ['ten requests at once', `${get('').repeat(9)}${get('Connection: close\r\n')}`],
  ['an upload of 4 MB', post(`Connection: close\r\n${length(4 << 20)}`, 'u'.repeat(4 << 20))],
  ['TLS', Buffer.from('16030100050100000100', 'hex'), true],
  ['nothing', '', true],
];

interface Seen {
  readonly url: string;
  readonly rawHeaders: readonly string[];
}

/** The client gets whole responses or sees the connection end; the backend sees what the plane took, and nobody's lies. */
export function requestTricks(open: OpenPlane, except: readonly string[] = []): void {
  const tricks = TRICKS.filter(([what]) => !except.includes(what));
  test(`${tricks.length} odd requests reach no backend as what they are not`, { timeout: 180_000 }, async (t) => {
    const seen: Seen[] = [];
    const broken: Error[] = [];
    const { port, route } = await planeFor(t, open, { clientTimeoutMs: 5000 });
    const { backend, server } = await startBackend(t, 'a', (asked, response) => {
      seen.push({ url: asked.url!, rawHeaders: asked.rawHeaders });
      asked.on('error', () => {}).resume();
      asked.on('end', () => response.end(`it was ${asked.url!.slice(0, 100)}`));
    });
    server.maxHeadersCount = 0;
    server.on('clientError', (error, socket) => {
      // A body that breaks off is what the client sent.
      if (!/ECONNRESET|HPE_INVALID_EOF_STATE/.test((error as NodeJS.ErrnoException).code ?? '')) broken.push(error);
      socket.destroy();
    });
    await route(backend);
    for (const [what, bytes, end] of tricks) {
      seen.length = 0;
      const text = await bounded(what, talk(t, port, bytes, end));
      assertResponses(what, text, /^HEAD /.test(String(bytes)));
      const good = `/good-${what.length}`;
      assert.equal((await bounded(what, ask(port, { path: good }))).body, `it was ${good}`, what);
      const complaints = broken.splice(0).filter(() => !PASSED_ON.has(what));
      assert.deepEqual(complaints, [], `${what}: the plane itself spoke no HTTP`);
      for (const one of seen) assertHonest(what, one);
    }
  });
}

/** All that comes back until the connection ends. */
function talk(test: TestContext, port: number, bytes: string | Buffer, end?: boolean): Promise<string> {
  const socket = net.connect({ host: '127.0.0.1', port, allowHalfOpen: true }).setEncoding('latin1');
  test.after(() => socket.destroy());
  let text = '';
  socket.on('data', (chunk: string) => {
    text += chunk;
  });
  socket.on('error', () => {});
  socket.write(bytes as string, 'latin1');
  if (end) socket.end();
  return new Promise((resolve) => {
    socket.on('end', () => socket.destroy()).on('close', () => resolve(text));
  });
}

/** `text` is nothing, or responses one after the other. */
function assertResponses(what: string, text: string, isHead: boolean): void {
  let rest = text;
  while (rest !== '') {
    const shown = `${what}: ${JSON.stringify(rest.slice(0, 300))}`;
    const head = /^HTTP\/1\.[01] (\d{3}) [^\r\n]*\r\n(?:[\w-]+:[^\r\n]*\r\n)*\r\n/.exec(rest);
    assert.ok(head, shown);
    rest = rest.slice(head[0].length);
    if (isHead || head[1]!.startsWith('1')) continue;
    const bytes = /^content-length: *(\d+)\r$/im.exec(head[0])?.[1];
    // Without a length, the body ends with the connection, or in chunks that the plane wrote itself.
    if (bytes === undefined) return;
    assert.ok(rest.length >= Number(bytes), shown);
    rest = rest.slice(Number(bytes));
  }
}

/** The backend was told the truth about who asks, once, and was not asked for what nobody may reach. */
function assertHonest(what: string, { url, rawHeaders }: Seen): void {
  const values = new Map<string, string[]>();
  rawHeaders.forEach((name, at) => {
    if (at % 2 === 0) values.set(name.toLowerCase(), [...(values.get(name.toLowerCase()) ?? []), rawHeaders[at + 1]!]);
  });
  assert.doesNotMatch(url, /smuggled/, what);
  assert.deepEqual(values.get('x-real-ip'), ['127.0.0.1'], what);
  assert.deepEqual(values.get('x-forwarded-proto'), ['http'], what);
  assert.equal(values.get('x-forwarded-for')?.join(', ').split(', ').at(-1), '127.0.0.1', what);
  const stated = ['x-real-ip', 'x-forwarded-proto', 'x-forwarded-for', 'x-forwarded-host'];
  const lies = [...values.keys()].filter((name) => UNTRUSTED_HEADERS.includes(foldHeaderName(name)));
  assert.deepEqual(
    lies.filter((name) => !stated.includes(name)),
    [],
    what,
  );
}
