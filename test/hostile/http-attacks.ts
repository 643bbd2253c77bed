import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import path from 'node:path';
import fc from 'fast-check';
import { systemClock } from '../../src/lib/index.ts';

/** One request as its bytes: what is odd about it is in them. */
export interface RawRequest {
  readonly method: string;
  readonly target: string;
  readonly headers: readonly string[];
  readonly body: Buffer;
  /** Bytes of the body that are sent; the client closes its side behind them when they are not all. */
  readonly sent: number;
  /** Size of the pieces in which it goes out; 0: all at once. */
  readonly piece: number;
}

export interface RawResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

const REPOSITORY = path.join(import.meta.dirname, '../..');
const GIVE_UP_MS = 30_000;

export function bytesOf({ method, target, headers, body, sent }: RawRequest): Buffer {
  const head = [`${method} ${target} HTTP/1.1`, ...headers].join('\r\n');
  return Buffer.concat([Buffer.from(`${head}\r\n\r\n`, 'latin1'), body.subarray(0, sent)]);
}

/** Everything that a server sends on one connection for these bytes, up to its end; rejects when it holds on to it. */
export async function exchange(
  port: number,
  bytes: Buffer,
  { piece = 0, end = false }: { readonly piece?: number; readonly end?: boolean } = {},
): Promise<Buffer> {
  const socket = connect({ host: '127.0.0.1', port, allowHalfOpen: true, noDelay: true });
  // A server that refuses what it has not read whole resets the connection.
  socket.on('error', () => {});
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  const closed = new Promise((resolve) => void socket.once('close', resolve));
  for (let at = 0; at < bytes.length && !socket.destroyed; at += piece || bytes.length) {
    socket.write(bytes.subarray(at, at + (piece || bytes.length)));
    if (piece > 0) await new Promise(setImmediate);
  }
  if (end) socket.end();
  const cancel = systemClock.after(GIVE_UP_MS, () => socket.destroy(new Error('held')));
  let held = false;
  socket.on('error', (error) => {
    held ||= error.message === 'held';
  });
  socket.on('end', () => socket.end());
  await closed;
  cancel();
  assert.ok(!held, `the server holds the connection after ${JSON.stringify(bytes.toString('latin1').slice(0, 300))}`);
  return Buffer.concat(chunks);
}

/** The responses in `bytes`, each checked to be a valid one; `method` is that of the first request. */
export function readResponses(bytes: Buffer, method: string): RawResponse[] {
  const responses: RawResponse[] = [];
  let rest = bytes;
  while (rest.length > 0) {
    const end = rest.indexOf('\r\n\r\n');
    assert.ok(end > 0, `no head of a response: ${rest.toString('latin1').slice(0, 200)}`);
    const [first, ...lines] = rest.toString('latin1', 0, end).split('\r\n');
    const [, code] = /^HTTP\/1\.1 ([1-5]\d\d) [ -~]*$/.exec(first!) ?? assert.fail(`no status line: ${first}`);
    const status = Number(code);
    rest = rest.subarray(end + 4);
    if (status < 200) continue;
    const headers: Record<string, string> = {};
    for (const line of lines) {
      const [, name, value] = /^([!#$%&'*+.^_`|~\w-]+): ?([^\0\r\n]*)$/.exec(line) ?? assert.fail(`no header: ${line}`);
      headers[name!.toLowerCase()] = value!;
    }
    // A head that cannot be read does not tell its method: the connection ends behind that response.
    const isUnread = status === 400 && headers['connection'] === 'close' && rest.length > 0;
    const bodiless = (responses.length === 0 && method === 'HEAD' && !isUnread) || status === 204 || status === 304;
    const { body, after } = bodiless ? { body: Buffer.alloc(0), after: rest } : takeBody(rest, headers);
    rest = after;
    responses.push({ status, headers, body });
  }
  for (const response of responses) assertDecent(response, method === 'HEAD');
  return responses;
}

function takeBody(rest: Buffer, headers: Readonly<Record<string, string>>): { body: Buffer; after: Buffer } {
  const length = headers['content-length'];
  if (length !== undefined) {
    assert.match(length, /^\d+$/);
    assert.ok(rest.length >= Number(length), `${rest.length} of ${length} bytes came`);
    return { body: rest.subarray(0, Number(length)), after: rest.subarray(Number(length)) };
  }
  if (headers['transfer-encoding'] !== 'chunked') return { body: rest, after: Buffer.alloc(0) };
  const chunks: Buffer[] = [];
  for (let at = 0; ; ) {
    const line = rest.indexOf('\r\n', at);
    // A stream that the client has ended stops where it is.
    if (line < 0) return { body: Buffer.concat(chunks), after: Buffer.alloc(0) };
    const size = Number.parseInt(rest.toString('latin1', at, line), 16);
    assert.ok(size >= 0, 'no size of a chunk');
    if (size === 0) return { body: Buffer.concat(chunks), after: rest.subarray(line + 4) };
    chunks.push(rest.subarray(line + 2, line + 2 + size));
    at = line + 2 + size + 2;
  }
}

/** What says JSON is JSON; nothing tells of the inside of the program. */
function assertDecent({ status, headers, body }: RawResponse, isHead: boolean): void {
  const text = body.toString('utf8');
  if (headers['content-type'] === 'application/json' && !isHead && body.length > 0)
    assert.doesNotThrow(() => JSON.parse(text), `${status} says JSON: ${text.slice(0, 200)}`);
  if (status < 400) return;
  assert.doesNotMatch(text, /\n\s+at |node:internal|file:\/\/|\.ts:\d+/, text);
  assert.ok(!text.includes(REPOSITORY), text);
  assert.notEqual(status, 501);
  // 500 is the word of Consul's API for much that is refused; what no one expected says this.
  assert.doesNotMatch(text, /internal error/, text);
}

const METHODS = 'GET GET GET PUT PUT POST DELETE PATCH HEAD OPTIONS TRACE PROPFIND'.split(' ');

const ODD_TEXT = fc.constantFrom(
  ...['', '.', '..', '%', '%zz', '%00', '%2e%2e%2f', '%c0%af', '%ff%fe', '%0d%0aX: y', '__proto__', 'constructor'],
  ...[
    'toString',
    'a'.repeat(300),
    'é',
    '*',
    '[',
    'a@.service',
    'a@b.service',
    '-x.service',
    '0',
    '1e999',
    '-1',
    '9'.repeat(40),
  ],
  ...['null', 'true', '{}', '\u007f', '%F0%9F%92%A9', ';', '//', '\\', '%25%32%66', "'", '"', '<script>'],
);

const QUERY = fc
  .array(fc.tuple(fc.constantFrom(...queryNames()), ODD_TEXT), { maxLength: 4 })
  .map((pairs) => pairs.map(([name, value]) => `${name}=${value}`).join('&'))
  .map((query) => (query === '' ? '' : `?${query}`));

function queryNames(): string[] {
  return [
    ...'nextPageToken all unit unitName machineID machine history since until after units happened lines output'.split(
      ' ',
    ),
    ...'dc tag node-meta filter passing near cas flags recurse keys separator raw pretty enable reason note'.split(' '),
    ...'acquire release consistent stale format __proto__ constructor services submitted'.split(' '),
  ];
}

const DEEP = '['.repeat(50_000);
const BODIES = fc.oneof(
  fc
    .constantFrom(
      ...[
        '',
        '{',
        '[]',
        '{}',
        'null',
        '0',
        '"x"',
        '[[]]',
        DEEP,
        `${DEEP}${']'.repeat(50_000)}`,
        '{"a":'.repeat(20_000),
      ],
      ...['{"__proto__":{"a":1}}', '{"constructor":{"prototype":{}}}', '{"desiredState":"__proto__"}', '1e999', '-0'],
      ...[
        '{"options":[{"section":"__proto__","name":"constructor","value":"x"}]}',
        '{"options":[null]}',
        '{"options":{}}',
      ],
      ...['{"desiredState":"launched","options":[{"section":"Service","name":"ExecStart","value":"/bin/true"}]}'],
      ...[
        '{"name":"\\ud800","options":[]}',
        '[{"op":"add","path":"/../metadata/a","value":1}]',
        '{"pem":"x"}',
        '{"pem":{}}',
      ],
      ...[
        '{"ID":"a","Name":"web","Port":99999999999}',
        '{"ID":1}',
        '{"Name":"w","Port":-1}',
        '{"Name":"w","Tags":"x"}',
      ],
      ...[
        '{"Name":"w","Check":{"Interval":"1e9h","HTTP":"x"}}',
        '{"Name":"w","Check":{"TTL":"-1s"}}',
        '{"Name":"w","Meta":[]}',
      ],
      ...[
        '{"Node":"x","Address":"1.1.1.1","Service":{"Service":"s"}}',
        '{"Node":"__proto__","Address":""}',
        '{"TTL":"1s"}',
      ],
      ...['[{"KV":{"Verb":"set","Key":"k","Value":"@@"}}]', '[{"KV":{"Verb":"__proto__"}}]', '[{"KV":null}]', '[null]'],
      ...['{"Status":"x","Output":1}', '{"LockDelay":1e300}', '{"LockDelay":"x"}', '{"Checks":[1]}', '{"Behavior":{}}'],
    )
    .map((text) => Buffer.from(text)),
  fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
  fc.json({ maxDepth: 5 }).map((text) => Buffer.from(text)),
  fc.constant(Buffer.alloc(1_200_000, ' ')),
);

const HEADERS = fc.array(
  fc.constantFrom(
    ...[
      'Content-Type: application/json',
      'Content-Type: application/json',
      'Content-Type: text/plain',
      'Content-Type: \xff',
    ],
    ...[
      'Content-Type: application/json; charset=utf-7',
      'Expect: 100-continue',
      'Expect: the-unexpected',
      'Range: bytes=0-',
    ],
    ...[
      'Origin: http://evil.example',
      'Origin: null',
      'Sec-Fetch-Site: cross-site',
      'Accept-Language: en',
      'TE: trailers',
    ],
    ...[
      'If-None-Match: *',
      `If-None-Match: ${'"x",'.repeat(2000)}`,
      'Authorization: Bearer x',
      'Upgrade: h2c',
      'Upgrade: websocket',
    ],
    ...[
      'X-HTTP-Method-Override: DELETE',
      'Last-Event-ID: x',
      'Last-Event-ID: 99999999999999999999',
      'Accept-Encoding: gzip',
    ],
    ...[
      'Proxy-Connection: keep-alive',
      'X-Fleet-Peer: x',
      'Cookie: a=b',
      '__proto__: x',
      'constructor: x',
      `X: ${'y'.repeat(9000)}`,
    ],
  ),
  { maxLength: 4 },
);

/** A request to one of `paths`, in which `:name` stands for anything. */
export function requestTo(paths: readonly string[]): fc.Arbitrary<RawRequest> {
  return fc
    .record({
      method: fc.constantFrom(...METHODS),
      template: fc.constantFrom(...paths),
      names: fc.array(ODD_TEXT, { minLength: 3, maxLength: 3 }),
      query: QUERY,
      headers: HEADERS,
      body: BODIES,
      framing: fc.constantFrom('length', 'length', 'length', 'chunked', 'none'),
      cut: fc.option(fc.nat(500), { nil: undefined, freq: 4 }),
      piece: fc.constantFrom(0, 0, 0, 7, 500),
    })
    .map(({ method, template, names, query, headers, body: given, framing, cut, piece }) => {
      let at = 0;
      const target = template.replace(/:\w+/g, () => names[at++ % names.length]!.replaceAll(' ', '%20')) + query;
      const content = framing === 'none' ? Buffer.alloc(0) : given;
      const size = [Buffer.from(`${content.length.toString(16)}\r\n`), content, Buffer.from('\r\n0\r\n\r\n')];
      const chunked = content.length === 0 ? Buffer.from('0\r\n\r\n') : Buffer.concat(size);
      const body = framing === 'chunked' ? chunked : content;
      const length = { length: [`Content-Length: ${body.length}`], chunked: ['Transfer-Encoding: chunked'], none: [] };
      const all = ['Host: 127.0.0.1', ...headers, ...length[framing as keyof typeof length], 'Connection: close'];
      const sent = cut === undefined ? body.length : Math.min(cut, body.length);
      // A piece that is small makes a large body slow, not odd.
      return {
        method,
        target: Buffer.from(target).toString('latin1'),
        headers: all,
        body,
        sent,
        piece: sent > 5000 ? 0 : piece,
      };
    });
}

const HONEST = 'GET /smuggled HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n';

/** Requests that two servers may read differently, and things that are no request. `path` takes PUT. */
export function framingTricks(path: string): Readonly<Record<string, string>> {
  const put = (headers: string, body = '') =>
    `PUT ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n${headers}\r\n\r\n${body}`;
  return {
    'both lengths': put(`Content-Length: 4\r\nTransfer-Encoding: chunked`, `0\r\n\r\n${HONEST}`),
    'two lengths': put('Content-Length: 0\r\nContent-Length: 5', HONEST),
    'a list of lengths': put('Content-Length: 0, 5', HONEST),
    'a length with a sign': put('Content-Length: +5', HONEST),
    'a length in hexadecimal': put('Content-Length: 0x5', HONEST),
    'a length of 2^64': put('Content-Length: 18446744073709551616', HONEST),
    'an encoding nobody has': put('Transfer-Encoding: xchunked', `0\r\n\r\n${HONEST}`),
    'chunked twice': put('Transfer-Encoding: chunked, chunked', `0\r\n\r\n${HONEST}`),
    'chunked, but not last': put('Transfer-Encoding: chunked, identity', `0\r\n\r\n${HONEST}`),
    'a space before the colon': put('Transfer-Encoding : chunked', `0\r\n\r\n${HONEST}`),
    'a folded line': put('X: y\r\n Transfer-Encoding: chunked', `0\r\n\r\n${HONEST}`),
    'a chunk whose size is none': put('Transfer-Encoding: chunked', `zz\r\n${HONEST}`),
    'a chunk of 2^64': put('Transfer-Encoding: chunked', `10000000000000000\r\n${HONEST}`),
    'an extension without end': put('Transfer-Encoding: chunked', `1;${'x'.repeat(100_000)}`),
    'lines that end in LF': `GET / HTTP/1.1\nHost: 127.0.0.1\n\n`,
    'lines that end in CR': `GET / HTTP/1.1\rHost: 127.0.0.1\r\r`,
    'a null in the target': 'GET /\0 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n',
    'a null in a header': 'GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX: a\0b\r\n\r\n',
    'no version': 'GET /\r\n\r\n',
    'a version of the future': 'GET / HTTP/3.0\r\n\r\n',
    'no host': 'GET / HTTP/1.1\r\n\r\n',
    'two hosts': 'GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nHost: evil.example\r\n\r\n',
    'a target that is no path': 'GET 127.0.0.1 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n',
    'a target with a broken origin': 'GET http://[::1/x HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n',
    'a target of a proxy': 'CONNECT evil.example:80 HTTP/1.1\r\nHost: evil.example:80\r\n\r\n',
    'an upgrade': 'GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n',
    'HTTP/2 unasked': 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
    'the beginning of TLS': '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03',
    'ten thousand headers': `GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n${'X: y\r\n'.repeat(10_000)}\r\n`,
    'a head of a megabyte': `GET /${'x'.repeat(1 << 20)} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n`,
    'empty lines': '\r\n'.repeat(1000),
    'a star': 'OPTIONS * HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n',
    'an empty body of a star': 'PUT * HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 0\r\n\r\n',
  };
}

/** Connections that begin a request and never end it; `end` closes them. */
export async function slowClients(port: number, begin: string, count: number): Promise<{ end(): void }> {
  const sockets = await Promise.all(
    Array.from({ length: count }, async () => {
      const socket = connect({ host: '127.0.0.1', port }).on('error', () => {});
      await once(socket, 'connect');
      socket.write(begin);
      return socket;
    }),
  );
  const end = () => {
    for (const socket of sockets) socket.destroy();
  };
  return { end };
}
