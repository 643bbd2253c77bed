import assert from 'node:assert/strict';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { connect } from 'node:net';
import { after, before, test } from 'node:test';
import fc from 'fast-check';
import { systemClock as clock, createLog, type HostPort, systemRandom as random, silentLog } from '../lib/index.ts';
import { Answerer } from './answerer.ts';
import { Forwarder } from './forwarder.ts';
import { serveDns } from './index.ts';
import { errorReply, parseQuery, RCODE, readQuestion, readRecord, TYPE } from './message.ts';
import { askByTcp, askByUdp, queryPacket, startTestDns, type TestDns } from './test-dns.ts';

let dns: TestDns;
before(async () => {
  dns = await startTestDns();
  dns.catalog.nodes({ one: '127.0.1.1', two: '127.0.1.2' });
  const ten = Array.from({ length: 10 }, (_, index) => ({
    id: `i${index}`,
    address: `10.0.0.${index + 1}`,
    port: 8000 + index,
  }));
  dns.catalog.set('paas-monitor', ten);
  const many = Array.from({ length: 200 }, (_, index) => ({
    id: `m${index}`,
    address: `10.1.0.${index}`,
    port: 9000 + index,
  }));
  dns.catalog.set('many', many);
});
after(() => dns.close());

interface Read {
  readonly rcode: number;
  readonly truncated: boolean;
  readonly counts: readonly [number, number, number];
  /** The data of the answer records that have the queried type. */
  readonly data: readonly string[];
  readonly bytes: number;
}

function read(answer: Buffer | undefined): Read {
  assert.ok(answer, 'no answer');
  const counts = [answer.readUInt16BE(6), answer.readUInt16BE(8), answer.readUInt16BE(10)] as const;
  let at = readQuestion(answer)!.end;
  const data: string[] = [];
  for (let count = 0; count < counts[0] + counts[1] + counts[2]; count++) {
    const record = readRecord(answer, at);
    assert.ok(record, `record ${count} does not fit`);
    if (count < counts[0]) data.push(answer.subarray(record.dataAt, record.end).toString('hex'));
    at = record.end;
  }
  assert.equal(at, answer.length, 'bytes behind the last record');
  return { rcode: answer[3]! & 0x0f, truncated: (answer[2]! & 2) !== 0, counts, data, bytes: answer.length };
}

test('ten instances fit one plain answer, in another order each time', async () => {
  const orders = new Set<string>();
  for (let round = 0; round < 20; round++) {
    const answer = read(await askByUdp(dns.port, queryPacket('paas-monitor.service.consul')));
    assert.deepEqual(
      [...answer.data].sort(),
      Array.from({ length: 10 }, (_, i) => `0a0000${(i + 1).toString(16).padStart(2, '0')}`),
    );
    assert.equal(answer.truncated, false);
    assert.ok(answer.bytes <= 512);
    orders.add(answer.data.join());
  }
  assert.ok(orders.size > 10, `${orders.size} orders in 20 answers`);
});

test("the question comes back in the client's own case", async () => {
  const packet = queryPacket('PaaS-Monitor.SerVice.CONSUL', { id: 0xbeef });
  const answer = await askByUdp(dns.port, packet);
  assert.equal(answer!.readUInt16BE(0), 0xbeef);
  assert.deepEqual(answer!.subarray(12, packet.length), packet.subarray(12));
  assert.equal(read(answer).counts[0], 10);
});

test('what does not fit is cut, with TC, and whole by TCP', async () => {
  const packet = queryPacket('many.service.consul', { type: TYPE.SRV });
  const plain = read(await askByUdp(dns.port, packet));
  assert.equal(plain.truncated, true);
  assert.ok(plain.bytes <= 512 && plain.counts[0] > 3);
  const [whole, again] = await askByTcp(dns.port, [packet, packet]);
  assert.deepEqual(read(whole).counts, [200, 0, 200]);
  assert.equal(read(whole).truncated, false);
  assert.equal(read(again).counts[0], 200);
});

test('the size that a client names by EDNS0 is used and kept', async () => {
  for (const udpBytes of [100, 512, 1232, 4096, 8192, 16_384]) {
    const answer = read(await askByUdp(dns.port, queryPacket('many.service.consul', { type: TYPE.SRV, udpBytes })));
    assert.ok(answer.bytes <= Math.max(512, udpBytes), `${answer.bytes} bytes for ${udpBytes}`);
    assert.equal(answer.truncated, answer.counts[0] < 200);
  }
});

test('an EDNS version nobody knows is answered so', async () => {
  const answer = await askByUdp(dns.port, queryPacket('web.service.consul', { udpBytes: 1232, ednsVersion: 1 }));
  const { counts } = read(answer);
  assert.deepEqual(counts, [0, 0, 1]);
  assert.equal(answer![answer!.length - 6], 1, 'the upper bits of BADVERS');
});

test('other names are refused without recursors', async () => {
  const answer = await askByUdp(dns.port, queryPacket('example.com'));
  assert.equal(read(answer).rcode, RCODE.refused);
  assert.equal(answer![3]! & 0x80, 0, 'no recursion is offered');
});

test('whatever the bytes, nothing breaks and no answer is longer than a malformed question', () => {
  const packet = fc.oneof(
    fc.uint8Array({ maxLength: 600 }),
    fc
      .tuple(fc.uint8Array({ minLength: 2, maxLength: 2 }), fc.uint8Array({ maxLength: 300 }))
      .map(([id, rest]) => Uint8Array.from([...id, 1, 0, 0, 1, 0, 0, 0, 0, 0, 1, ...rest])),
    fc
      .tuple(fc.constantFrom('a.service.consul', 'x.node.consul', ''), fc.array(fc.tuple(fc.nat(60), fc.nat(255))))
      .map(([name, edits]) => {
        const bytes = queryPacket(name, { udpBytes: 1232 });
        for (const [at, value] of edits) if (at < bytes.length) bytes[at] = value;
        return bytes;
      }),
  );
  fc.assert(
    fc.property(packet, (bytes) => {
      const buffer = Buffer.from(bytes);
      const parsed = parseQuery(buffer);
      if (parsed.kind === 'error') {
        const reply = errorReply(buffer, parsed.rcode);
        assert.ok(reply.length <= buffer.length);
        assert.equal(parseQuery(reply).kind, 'ignore', 'our errors are never answered by one of us');
      }
      if (parsed.kind === 'query') assert.ok(parsed.query.questionEnd <= buffer.length);
      readRecord(buffer, 12);
    }),
    { numRuns: 3000 },
  );
});

test('whatever is asked, the answer can be read and fits', () => {
  const forwarder = new Forwarder({ recursors: () => [], clock, random, log: silentLog });
  const answerer = new Answerer({ catalog: dns.catalog, datacenter: 'dc1', forwarder, random, log: silentLog });
  const label = fc.constantFrom(
    'paas-monitor',
    'many',
    'service',
    'node',
    'addr',
    'dc1',
    'one',
    '_many',
    '_tcp',
    '0a000001',
    'x',
    'MANY',
  );
  const question = fc.record({
    labels: fc.array(fc.oneof(label, fc.string({ minLength: 1, maxLength: 8 })), { maxLength: 5 }),
    zone: fc.constantFrom('consul', 'CoNsUl', 'com'),
    type: fc.oneof(fc.constantFrom(1, 2, 6, 28, 33, 255), fc.nat(65_535)),
    udpBytes: fc.option(fc.nat(65_535), { nil: undefined }),
  });
  fc.assert(
    fc.property(question, fc.constantFrom('udp', 'tcp'), ({ labels, zone, type, udpBytes }, transport) => {
      const name = [...labels.map((text) => text.replaceAll('.', '')), zone].join('.');
      const packet = queryPacket(name, { type, ...(udpBytes === undefined ? {} : { udpBytes }) });
      const replies: Buffer[] = [];
      answerer.answer(packet, transport, (reply) => replies.push(reply));
      assert.equal(replies.length, 1);
      const { bytes } = read(replies[0]);
      if (transport === 'udp') assert.ok(bytes <= Math.max(512, udpBytes ?? 0), `${bytes} bytes`);
    }),
    { numRuns: 2000 },
  );
});

test('a storm of garbage by UDP and TCP leaves the server answering', async () => {
  const socket = createSocket('udp4');
  for (let count = 0; count < 500; count++)
    socket.send(Buffer.from(random.hex(count % 80), 'hex'), dns.port, '127.0.0.1');
  const tcp = connect({ host: '127.0.0.1', port: dns.port });
  tcp.on('error', () => {});
  tcp.write(Buffer.from(random.hex(5000), 'hex'));
  const answer = read(await askByUdp(dns.port, queryPacket('paas-monitor.service.consul')));
  assert.equal(answer.counts[0], 10);
  socket.close();
  tcp.destroy();
});

/** Starts a resolver that gives every query the same answer and records the queries. */
async function startResolver(ttlSeconds: number): Promise<{ address: HostPort; asked: string[]; socket: Socket }> {
  const socket = createSocket('udp4').bind(0, '127.0.0.1');
  const asked: string[] = [];
  socket.on('message', (packet, from) => {
    asked.push(readQuestion(packet)!.name);
    const end = readQuestion(packet)!.end;
    const record = Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, ttlSeconds >> 8, ttlSeconds & 0xff, 0, 4, 9, 9, 9, 9]);
    const head = Buffer.from([packet[0]!, packet[1]!, 0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, packet[11]!]);
    const edns = packet.subarray(end);
    // The resolver sends a forged response first, which must be ignored.
    const answer = Buffer.concat([head, packet.subarray(12, end), record, edns]);
    const forged = Buffer.from(answer);
    forged[0] = forged[0]! ^ 0xff;
    socket.send(forged, from.port, from.address);
    socket.send(answer, from.port, from.address);
  });
  await once(socket, 'listening');
  return { address: { host: '127.0.0.1', port: socket.address().port }, asked, socket };
}

test('other names are passed on to the recursors, and what they say is kept as long as they allow', async () => {
  const silent = createSocket('udp4').bind(0, '127.0.0.1');
  await once(silent, 'listening');
  const resolver = await startResolver(300);
  const deaf = { host: '127.0.0.1', port: silent.address().port };
  const forwarding = await startTestDns(() => [deaf, resolver.address]);
  const ask = (name: string, id: number) => askByUdp(forwarding.port, queryPacket(name, { id }), 8000);
  const together = await Promise.all([1, 2, 3].map((id) => ask('www.example.com', id)));
  for (const [index, answer] of together.entries()) {
    assert.equal(answer!.readUInt16BE(0), index + 1);
    assert.deepEqual(read(answer).data, ['09090909']);
  }
  // The second query is served from the cache: no resolver is asked.
  assert.deepEqual(read(await ask('WWW.example.com', 9)).data, ['09090909']);
  assert.deepEqual(resolver.asked, ['www.example.com']);
  assert.equal(
    (await askByUdp(forwarding.port, queryPacket('one.node.consul')))![3]! & 0x80,
    0x80,
    'recursion is offered',
  );
  await forwarding.close();
  silent.close();
  resolver.socket.close();
});

test('what a client says of itself is told to no recursor, and to no other client', async (t) => {
  const resolver = await startResolver(300);
  t.after(() => resolver.socket.close());
  const forwarding = await startTestDns(() => [resolver.address]);
  t.after(() => forwarding.close());
  for (const cookie of ['client-1', 'client-2']) {
    const packet = queryPacket('www.example.com', { udpBytes: 1232 });
    packet.writeUInt16BE(4 + cookie.length, packet.length - 2);
    const answer = await askByUdp(
      forwarding.port,
      Buffer.concat([packet, Buffer.from([0, 10, 0, cookie.length]), Buffer.from(cookie)]),
    );
    assert.deepEqual(read(answer).data, ['09090909']);
    assert.doesNotMatch(answer!.toString('latin1'), /client/);
  }
});

test('the addresses behind a host name come with the alias, from a recursor or from the catalog', async () => {
  const resolver = await startResolver(300);
  const forwarding = await startTestDns(() => [resolver.address]);
  forwarding.catalog.nodes({ one: '127.0.1.1' });
  forwarding.catalog.nodes(
    { far: 'learn.example.com', near: 'one.node.consul', around: 'around.node.consul' },
    'external',
  );
  forwarding.catalog.set('far', [
    { id: 'a', node: 'far', address: '', port: 80 },
    { id: 'b', node: 'far', address: 'other.example.com', port: 81 },
  ]);
  const ask = async (name: string, type: number = TYPE.A) =>
    read(await askByUdp(forwarding.port, queryPacket(name, { type }))).data.slice(-1);
  assert.deepEqual(await ask('far.node.consul'), ['09090909']);
  assert.deepEqual(await ask('far.service.consul'), ['09090909']);
  assert.deepEqual(await ask('near.node.consul'), ['7f000101']);
  assert.equal(read(await askByUdp(forwarding.port, queryPacket('far.service.consul'))).data.length, 2, 'one alias');
  assert.equal(
    read(await askByUdp(forwarding.port, queryPacket('far.node.consul', { type: TYPE.CNAME }))).counts[0],
    1,
  );
  assert.ok(resolver.asked.includes('learn.example.com'));
  assert.equal(read(await askByUdp(forwarding.port, queryPacket('around.node.consul'))).rcode, RCODE.ok);
  await forwarding.close();
  resolver.socket.close();
  const alone = await startTestDns();
  alone.catalog.nodes({ far: 'learn.example.com' }, 'external');
  assert.equal(read(await askByUdp(alone.port, queryPacket('far.node.consul'))).counts[0], 1, 'the alias alone');
  await alone.close();
});

test('when no recursor answers, or can be sent anything, the client is told', async () => {
  // The system refuses to send to the second recursor, as it does where no route exists.
  const forwarding = await startTestDns(() => ['127.0.0.1', '255.255.255.255'].map((host) => ({ host, port: 9 })));
  assert.equal(read(await askByUdp(forwarding.port, queryPacket('example.com'), 8000)).rcode, RCODE.servFail);
  await forwarding.close();
});

test('a server that is closed while a recursor is asked leaves nothing behind', async () => {
  const deaf = createSocket('udp4').bind(0, '127.0.0.1');
  await once(deaf, 'listening');
  const forwarding = await startTestDns(() => [{ host: '127.0.0.1', port: deaf.address().port }]);
  const [asked] = [once(deaf, 'message'), askByUdp(forwarding.port, queryPacket('example.com'), 300)];
  const tcp = connect({ host: '127.0.0.1', port: forwarding.port });
  const packet = queryPacket('example.org');
  tcp.on('error', () => {}).write(Buffer.concat([Buffer.from([0, packet.length]), packet]));
  await asked;
  await forwarding.close();
  await assert.rejects(once(connect({ host: '127.0.0.1', port: forwarding.port }), 'connect'), /ECONNREFUSED/);
  deaf.close();
});

test('a port that is taken is logged, and had as soon as it is free', async () => {
  const taken = createSocket('udp4').bind(0, '127.0.0.1');
  await once(taken, 'listening');
  const { port } = taken.address();
  const lines: string[] = [];
  const log = createLog((line) => lines.push(line));
  const listen = [{ host: '127.0.0.1', port }];
  const late = await serveDns({
    catalog: dns.catalog,
    datacenter: 'dc1',
    listen,
    recursors: () => [],
    clock,
    random,
    log,
  });
  assert.deepEqual(late.addresses, []);
  assert.match(
    lines.join('\n'),
    /ERROR Cannot listen.* what=DNS address=127\.0\.0\.1:\d+ reason="another program listens there"/,
  );
  taken.close();
  const deadline = clock.monotonic() + 20_000;
  while (late.addresses.length === 0 && clock.monotonic() < deadline) await clock.sleep(50);
  assert.deepEqual(late.addresses, listen);
  assert.equal(read(await askByUdp(port, queryPacket('one.node.consul'))).counts[0], 1);
  await late.close();
});
