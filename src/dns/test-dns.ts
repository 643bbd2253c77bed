/** Shared by the tests of the DNS server: a server on free ports over a catalog made by hand, and plain queries. */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect } from 'node:net';
import { type HostPort, type Log, silentLog, systemClock, systemRandom } from '../lib/index.ts';
import { TestCatalog } from '../services/test-catalog.ts';
import { type DnsServer, serveDns } from './index.ts';
import { TYPE } from './message.ts';

export interface TestDns {
  readonly catalog: TestCatalog;
  readonly server: DnsServer;
  readonly port: number;
  close(): Promise<void>;
}

export async function startTestDns(
  recursors: () => readonly HostPort[] = () => [],
  log: Log = silentLog,
): Promise<TestDns> {
  const catalog = new TestCatalog();
  const server = await serveDns({
    catalog,
    datacenter: 'dc1',
    listen: [{ host: '127.0.0.1', port: 0 }],
    recursors,
    clock: systemClock,
    random: systemRandom,
    log,
  });
  return { catalog, server, port: server.addresses[0]!.port, close: () => server.close() };
}

export interface QueryOptions {
  readonly type?: number;
  readonly id?: number;
  /** The UDP size that the query advertises by EDNS0. */
  readonly udpBytes?: number;
  readonly ednsVersion?: number;
}

/** Builds a query as a client sends it. */
export function queryPacket(name: string, options: QueryOptions = {}): Buffer {
  const { type = TYPE.A, id = 0x1234, udpBytes, ednsVersion = 0 } = options;
  const labels = name.split('.').filter(Boolean);
  const question = labels.flatMap((label) => [Buffer.from([label.length]), Buffer.from(label, 'latin1')]);
  const header = Buffer.from([id >> 8, id & 0xff, 1, 0, 0, 1, 0, 0, 0, 0, 0, udpBytes === undefined ? 0 : 1]);
  const edns = udpBytes === undefined ? [] : [0, 0, 41, udpBytes >> 8, udpBytes & 0xff, 0, ednsVersion, 0, 0, 0, 0];
  return Buffer.concat([header, ...question, Buffer.from([0, type >> 8, type & 0xff, 0, 1]), Buffer.from(edns)]);
}

/** Sends a packet by UDP and resolves with the first response; undefined when none arrives within `waitMs`. */
export async function askByUdp(port: number, packet: Buffer, waitMs = 5000): Promise<Buffer | undefined> {
  const socket = createSocket('udp4');
  const waiting = new AbortController();
  socket.send(packet, port, '127.0.0.1');
  const answer = once(socket, 'message').then(([message]) => message as Buffer);
  const nothing = systemClock.sleep(waitMs, waiting.signal).then(
    () => undefined,
    () => undefined,
  );
  const first = await Promise.race([answer, nothing]);
  waiting.abort();
  socket.close();
  return first;
}

/** Sends the packets in one write over one TCP connection; resolves with the responses in order of arrival. */
export async function askByTcp(port: number, packets: readonly Buffer[]): Promise<Buffer[]> {
  const socket = connect({ host: '127.0.0.1', port });
  const framed = packets.map((packet) =>
    Buffer.concat([Buffer.from([packet.length >> 8, packet.length & 0xff]), packet]),
  );
  socket.write(Buffer.concat(framed));
  const answers: Buffer[] = [];
  let rest: Buffer = Buffer.alloc(0);
  for await (const chunk of socket as AsyncIterable<Buffer>) {
    rest = Buffer.concat([rest, chunk]);
    while (rest.length >= 2 && rest.length >= 2 + rest.readUInt16BE(0)) {
      answers.push(rest.subarray(2, 2 + rest.readUInt16BE(0)));
      rest = rest.subarray(2 + rest.readUInt16BE(0));
    }
    if (answers.length === packets.length) break;
  }
  socket.destroy();
  return answers;
}
