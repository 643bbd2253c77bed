/** DNS messages (RFC 1035, 2782, 3596, 6891), as far as a server of one small zone needs them. */

/** How a packet has come, on which the longest response depends. */
export type DnsTransport = 'udp' | 'tcp';

export const TYPE = {
  A: 1,
  NS: 2,
  CNAME: 5,
  SOA: 6,
  AAAA: 28,
  SRV: 33,
  OPT: 41,
  IXFR: 251,
  AXFR: 252,
  ANY: 255,
} as const;
export const RCODE = { ok: 0, formErr: 1, servFail: 2, nxDomain: 3, notImp: 4, refused: 5, badVersion: 16 } as const;
export const CLASS = { IN: 1, ANY: 255 } as const;

export const HEADER_BYTES = 12;
/** The UDP size, in bytes, for a client that does not advertise one (RFC 1035 §4.2.1). */
export const PLAIN_UDP_BYTES = 512;
const MAX_NAME_BYTES = 255;
const MAX_LABEL_BYTES = 63;

export interface Question {
  /** Lower case, labels joined by dots, without the final dot; a dot or backslash within a label is escaped. */
  readonly name: string;
  readonly type: number;
  readonly class: number;
}

export interface Query extends Question {
  readonly id: number;
  readonly recursionDesired: boolean;
  /** The offset of the end of the question section, which begins behind the header. */
  readonly questionEnd: number;
  /** The client's EDNS0 record. */
  readonly edns?: { readonly udpBytes: number; readonly version: number; readonly dnssecOk: boolean };
}

/** A parsed packet: a query, an error to respond with, or a packet to drop without a response. */
export type Parsed =
  | { readonly kind: 'query'; readonly query: Query }
  | { readonly kind: 'error'; readonly rcode: number }
  | { readonly kind: 'ignore' };

/** Parses a query; never throws, whatever the bytes. Responses are ignored, so that two servers never bounce errors. */
export function parseQuery(packet: Buffer): Parsed {
  if (packet.length < HEADER_BYTES || packet[2]! & 0x80) return { kind: 'ignore' };
  if ((packet[2]! >> 3) & 0x0f) return { kind: 'error', rcode: RCODE.notImp };
  const question = packet.readUInt16BE(4) === 1 ? readQuestion(packet) : undefined;
  if (!question) return { kind: 'error', rcode: RCODE.formErr };
  const edns = readEdns(packet, question.end);
  if (edns === 'malformed') return { kind: 'error', rcode: RCODE.formErr };
  const { name, type, class: classOf, end: questionEnd } = question;
  const id = packet.readUInt16BE(0);
  const recursionDesired = (packet[2]! & 1) === 1;
  const query = { id, recursionDesired, name, type, class: classOf, questionEnd, ...(edns && { edns }) };
  return { kind: 'query', query };
}

/** Returns the question of a message and the offset of its end; undefined when it cannot be read. */
export function readQuestion(packet: Buffer): (Question & { readonly end: number }) | undefined {
  let at = HEADER_BYTES;
  let name = '';
  for (;;) {
    const length = packet[at];
    // A compression pointer is an error here: no earlier name exists to which it could point.
    if (length === undefined || length > MAX_LABEL_BYTES) return undefined;
    at++;
    if (length === 0) break;
    if (at + length > packet.length || at + length - HEADER_BYTES >= MAX_NAME_BYTES) return undefined;
    const label = packet.toString('latin1', at, at + length);
    name += `${name === '' ? '' : '.'}${/[.\\]/.test(label) ? label.replace(/[.\\]/g, '\\$&') : label}`;
    at += length;
  }
  if (at + 4 > packet.length) return undefined;
  return { name: name.toLowerCase(), type: packet.readUInt16BE(at), class: packet.readUInt16BE(at + 2), end: at + 4 };
}

function readEdns(packet: Buffer, from: number): Query['edns'] | 'malformed' {
  const records = packet.readUInt16BE(6) + packet.readUInt16BE(8) + packet.readUInt16BE(10);
  let at = from;
  let edns: Query['edns'];
  for (let count = 0; count < records; count++) {
    const record = readRecord(packet, at);
    if (!record) return 'malformed';
    at = record.end;
    if (record.type !== TYPE.OPT) continue;
    if (edns) return 'malformed';
    const ttl = packet.readUInt32BE(record.ttlAt);
    const version = (ttl >>> 16) & 0xff;
    edns = { udpBytes: Math.max(PLAIN_UDP_BYTES, record.class), version, dnssecOk: ((ttl >>> 15) & 1) === 1 };
  }
  return edns;
}

export interface RawRecord {
  readonly type: number;
  readonly class: number;
  readonly ttlAt: number;
  readonly dataAt: number;
  readonly end: number;
}

/** Returns the offsets of the parts of the record at `at`; undefined when the record exceeds the packet. */
export function readRecord(packet: Buffer, at: number): RawRecord | undefined {
  const named = skipName(packet, at);
  if (named === undefined || named + 10 > packet.length) return undefined;
  const dataAt = named + 10;
  const end = dataAt + packet.readUInt16BE(named + 8);
  if (end > packet.length) return undefined;
  return { type: packet.readUInt16BE(named), class: packet.readUInt16BE(named + 2), ttlAt: named + 4, dataAt, end };
}

/** Returns the offset behind a name. Pointers are stepped over and not followed, so that they cannot form a loop. */
export function skipName(packet: Buffer, from: number): number | undefined {
  for (let at = from; at < packet.length; ) {
    const length = packet[at]!;
    if (length === 0) return at + 1;
    if (length >= 0xc0) return at + 2 <= packet.length ? at + 2 : undefined;
    if (length > MAX_LABEL_BYTES) return undefined;
    at += length + 1;
  }
  return undefined;
}

/**
 * Copies the header, the question and an EDNS0 record with the client's UDP size and DNSSEC flag. Other options stay
 * behind: a cookie belongs to two programs, whereas a cached response serves many.
 */
export function questionAlone(packet: Buffer, { questionEnd, edns }: Query): Buffer {
  const opt = edns
    ? [0, 0, TYPE.OPT, edns.udpBytes >> 8, edns.udpBytes & 0xff, 0, 0, edns.dnssecOk ? 0x80 : 0, 0, 0, 0]
    : [];
  const alone = Buffer.concat([packet.subarray(0, questionEnd), Buffer.from(opt)]);
  alone.fill(0, 6, HEADER_BYTES);
  alone[HEADER_BYTES - 1] = edns ? 1 : 0;
  return alone;
}

/** Builds a response that holds a code only. It is as long as a header and thus never longer than the packet. */
export function errorReply(packet: Buffer, rcode: number): Buffer {
  const reply = Buffer.alloc(HEADER_BYTES);
  reply.writeUInt16BE(packet.readUInt16BE(0), 0);
  reply[2] = 0x80 | (packet[2]! & 0x79);
  reply[3] = rcode;
  return reply;
}
