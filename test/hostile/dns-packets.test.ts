import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect } from 'node:net';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import fc from 'fast-check';
import { askByTcp, askByUdp, queryPacket, startTestDns, type TestDns } from '../../src/dns/test-dns.ts';
import { createLog, systemClock } from '../../src/lib/index.ts';
import { until } from '../../src/lib/test-until.ts';

import { fuzz } from './fuzz.ts';
import { residentMb } from './grpc-client.ts';

const NAMES = ['web.service.consul', '_web._tcp.service.consul', 'one.node.consul', 'www.example.com', 'consul', ''];
const MAX_GROWTH_MB = 150;
const lines: string[] = [];
let dns: TestDns;
let before0 = 0;
const recursor = createSocket('udp4');

before(async () => {
  recursor.bind(0, '127.0.0.1');
  await once(recursor, 'listening');
  let count = 0;
  // It sends back what it got with a bit turned or cut, which is to be passed over, and then a response without records.
  recursor.on('message', (packet, from) => {
    const reply = Buffer.from(packet.subarray(0, Math.max(1, packet.length - (count % 7))));
    reply[count % reply.length]! ^= 1 << (count++ % 8);
    if (reply.length > 2) reply[2]! |= 0x80;
    recursor.send(reply, from.port, from.address);
    const right = Buffer.from(packet);
    right[2]! |= 0x80;
    recursor.send(right, from.port, from.address);
  });
  const log = createLog((line) => lines.push(line), 'info');
  dns = await startTestDns(() => [{ host: '127.0.0.1', port: recursor.address().port }], log);
  dns.catalog.nodes({ one: '127.0.1.1' });
  dns.catalog.set(
    'web',
    Array.from({ length: 200 }, (_, i) => ({ id: `w${i}`, address: `10.0.0.${i}`, port: 8000 + i })),
  );
  before0 = residentMb();
});
after(async () => {
  await dns.close();
  recursor.close();
});

/** What each attack must leave: a server that responds, has logged no fault, and has kept its memory. */
async function assertWell(): Promise<void> {
  const reply = await askByUdp(dns.port, queryPacket('one.node.consul', { id: 0x4242 }), 10_000);
  assert.ok(reply, 'an honest question gets no response');
  assert.equal(reply.readUInt16BE(0), 0x4242);
  assert.deepEqual([reply[3]! & 0x0f, reply.readUInt16BE(6)], [0, 1]);
  assert.deepEqual(
    lines.filter((line) => /ERROR|not answered| at /.test(line)),
    [],
  );
  assert.ok(residentMb() - before0 < MAX_GROWTH_MB, `memory grew from ${before0} to ${residentMb()} MB`);
}

/** A response is one: to this question, whole, within what its client has room for. */
function assertReply(reply: Buffer, query: Buffer, maxBytes: number): void {
  assert.ok(reply.length >= 12 && reply.length <= maxBytes, `${reply.length} bytes`);
  assert.equal(reply.readUInt16BE(0), query.readUInt16BE(0), 'the id of another question');
  assert.ok(reply[2]! & 0x80, 'no response');
  assert.ok((query[2]! & 0x80) === 0, 'a response was responded to');
}

const query = fc
  .record({
    name: fc.oneof(
      fc.constantFrom(...NAMES),
      fc.domain(),
      fc.string({ maxLength: 40 }).map((s) => `${s}.consul`),
    ),
    type: fc.oneof(fc.constantFrom(1, 28, 33, 255, 251, 252, 41, 16), fc.nat(65_535)),
    udpBytes: fc.option(fc.nat(65_535), { nil: undefined }),
    ednsVersion: fc.oneof({ weight: 3, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.nat(255) }),
    id: fc.nat(65_535),
  })
  .filter(({ name }) => name.split('.').every((label) => Buffer.byteLength(label, 'latin1') < 64))
  .map(({ name, udpBytes, ...options }) =>
    queryPacket(name, { ...options, ...(udpBytes === undefined ? {} : { udpBytes }) }),
  );

/** Where a header's fields stand, and bytes that change what the packet is. */
const change = fc.oneof(
  fc.record({ at: fc.constantFrom(2, 3, 4, 5, 6, 7, 8, 9, 10, 11), byte: fc.nat(255) }),
  fc.record({ at: fc.integer({ min: 12, max: 80 }), byte: fc.constantFrom(0, 1, 63, 64, 0xc0, 0xff) }),
  fc.record({ at: fc.nat(80), byte: fc.nat(255) }),
);

const mutated = fc
  .tuple(query, fc.array(change, { maxLength: 4 }), fc.nat(120), fc.uint8Array({ maxLength: 40 }))
  .map(([packet, changes, cut, tail]) => {
    const copy = Buffer.from(packet.subarray(0, cut > 80 ? packet.length : Math.min(cut, packet.length)));
    for (const { at, byte } of changes) if (at < copy.length) copy[at] = byte;
    return Buffer.concat([copy, cut % 3 === 0 ? tail : Buffer.alloc(0)]);
  });

const crafted: Readonly<Record<string, Buffer>> = {
  nothing: Buffer.alloc(0),
  'one byte': Buffer.from([0]),
  'a header alone': Buffer.from([0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0]),
  'a name that points to itself': Buffer.from([0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0xc0, 12, 0, 1, 0, 1]),
  'two names that point to each other': Buffer.from([
    0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0xc0, 14, 0xc0, 12, 0, 1, 0, 1,
  ]),
  'a name of 60,000 bytes': Buffer.concat([
    Buffer.from([0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0]),
    ...Array.from({ length: 937 }, () => Buffer.concat([Buffer.from([63]), Buffer.alloc(63, 'a')])),
    Buffer.from([0, 0, 1, 0, 1]),
  ]),
  '65,535 questions of a few': Buffer.from([0, 1, 1, 0, 255, 255, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0, 0, 1, 0, 1]),
  'records that are not there': Buffer.from([0, 1, 1, 0, 0, 1, 255, 255, 255, 255, 255, 255, 0, 0, 1, 0, 1]),
  'three thousand records': Buffer.concat([
    Buffer.from([0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 11, 184, 0, 0, 1, 0, 1]),
    Buffer.alloc(3000 * 11),
  ]),
  'a response': Buffer.concat([Buffer.from([0, 1, 0x81, 0x80]), queryPacket('web.service.consul').subarray(4)]),
};

test('crafted packets by UDP and by TCP', async () => {
  for (const packet of Object.values(crafted)) {
    const socket = createSocket('udp4');
    socket.send(packet, dns.port, '127.0.0.1');
    const tcp = connect(dns.port, '127.0.0.1').on('error', () => {});
    tcp.end(Buffer.concat([Buffer.from([packet.length >> 8, packet.length & 0xff]), packet]));
    for await (const chunk of tcp as AsyncIterable<Buffer>) assert.ok(chunk.length > 0);
    socket.close();
    await assertWell();
  }
});

test('whatever a UDP packet holds, what comes back is a response to it', async () => {
  const socket = createSocket('udp4').bind(0, '127.0.0.1');
  await once(socket, 'listening');
  let sent: Buffer | undefined;
  let wrong: unknown;
  socket.on('message', (reply) => {
    try {
      if (sent && reply.readUInt16BE(0) === sent.readUInt16BE(0)) assertReply(reply, sent, 65_535);
    } catch (error) {
      wrong = error;
    }
  });
  try {
    await fuzz(
      mutated,
      async (packet) => {
        sent = packet.length >= 12 ? packet : undefined;
        socket.send(packet, dns.port, '127.0.0.1');
        await new Promise(setImmediate);
        if (wrong) throw wrong;
      },
      { runs: 3000 },
    );
  } finally {
    socket.close();
  }
  await assertWell();
});

test('a response by UDP is no longer than its client has room for', () =>
  fuzz(
    query,
    async (packet) => {
      const reply = await askByUdp(dns.port, packet, 10_000);
      assert.ok(reply, 'no response');
      const room = packet[11] === 0 ? 512 : Math.max(512, packet.readUInt16BE(packet.length - 8));
      assertReply(reply, packet, room);
    },
    { runs: 60 },
  ));

test('frames of TCP in pieces of any size, lying lengths, ends in the middle', async () => {
  await fuzz(
    fc.record({
      packets: fc.array(mutated, { minLength: 1, maxLength: 8 }),
      lie: fc.option(fc.nat(65_535), { nil: undefined }),
      piece: fc.integer({ min: 1, max: 200 }),
      reset: fc.boolean(),
    }),
    async ({ packets, lie, piece, reset }) => {
      const socket = connect(dns.port, '127.0.0.1').on('error', () => {});
      await once(socket, 'connect');
      const bytes = Buffer.concat(
        packets.flatMap((packet, i) => {
          const length = i === packets.length - 1 ? (lie ?? packet.length) : packet.length;
          return [Buffer.from([length >> 8, length & 0xff]), packet];
        }),
      );
      for (let at = 0; at < bytes.length; at += piece) socket.write(bytes.subarray(at, at + piece));
      if (reset) socket.resetAndDestroy();
      else socket.end();
      const closed = once(socket.resume(), 'close');
      await closed;
    },
    { runs: 100 },
  );
  await assertWell();
});

test('questions that were sent together over TCP all get their responses, whatever comes beside them', async () => {
  const attackers = Array.from({ length: 50 }, () => {
    const socket = connect(dns.port, '127.0.0.1').on('error', () => {});
    socket.write(Buffer.from([0xff, 0xff, 0, 0]));
    return socket;
  });
  const packets = Array.from({ length: 200 }, (_, id) => queryPacket('web.service.consul', { id, type: 33 }));
  const replies = await askByTcp(dns.port, packets);
  assert.deepEqual(
    replies.map((reply) => reply.readUInt16BE(0)),
    packets.map((_, id) => id),
  );
  for (const attacker of attackers) attacker.destroy();
  await assertWell();
});

test('a packet that comes from port 0, which nobody can be sent to', {
  skip: process.getuid!() !== 0 && 'raw sockets take root',
}, async () => {
  const packet = queryPacket('one.node.consul');
  // UDP's own head, without a checksum, by a raw socket: Node has none.
  const head = Buffer.from([0, 0, dns.port >> 8, dns.port & 0xff, 0, 8 + packet.length, 0, 0]);
  const code =
    'socket(S,PF_INET,SOCK_RAW,17) or die; send(S,pack("H*",$ARGV[0]),0,sockaddr_in(0,inet_aton("127.0.0.1"))) or die';
  await promisify(execFile)('perl', ['-MSocket', '-e', code, Buffer.concat([head, packet]).toString('hex')]);
  await assertWell();
});

test('a thousand connections and more that say nothing leave room again when they go', async () => {
  const sockets = Array.from({ length: 1100 }, () => connect(dns.port, '127.0.0.1').on('error', () => {}));
  await assertWell();
  for (const socket of sockets) socket.destroy();
  await until('TCP is taken again', async () => {
    const [reply] = await askByTcp(dns.port, [queryPacket('one.node.consul')]).catch(() => []);
    await systemClock.sleep(20);
    return reply !== undefined;
  });
});
