import { CLASS, HEADER_BYTES, PLAIN_UDP_BYTES, type Query, TYPE } from './message.ts';
import { type DnsRecord, wireName } from './records.ts';

/** The content of a response before it is encoded. */
export interface DnsReply {
  readonly rcode: number;
  /** True when the name belongs to our own zone. */
  readonly authoritative: boolean;
  readonly answers: readonly DnsRecord[];
  readonly authority: readonly DnsRecord[];
  readonly additional: readonly DnsRecord[];
}

export interface EncodeOptions {
  /** The client's packet: its question is repeated byte for byte, in the client's own upper and lower case. */
  readonly packet: Buffer;
  readonly query: Query;
  readonly maxBytes: number;
  readonly recursionAvailable: boolean;
}

/** One buffer that fits every message; the encoded message is copied out of it. */
const scratch = Buffer.alloc(65_535 + 1024);
const OPT_BYTES = 11;
/** The offset of a compression pointer has 14 bits (RFC 1035 §4.1.4). */
const MAX_POINTER = 0x3fff;
/** The UDP size that we advertise by EDNS0. */
const OWN_UDP_BYTES = 4096;
// Seconds: a response describes this moment, so that clients must not keep it.
const TTL_SECONDS = 0;
const SOA_REFRESH = 3600;
const SOA_RETRY = 600;
const SOA_EXPIRE = 86_400;

/**
 * Encodes a reply. Answers that do not fit are left out and TC is set, so that the client asks again by TCP. Additional
 * records that do not fit are left out without TC, since the answer is complete without them.
 */
export function encodeReply(reply: DnsReply, options: EncodeOptions): Buffer {
  const { packet, query, maxBytes, recursionAvailable } = options;
  const limit = maxBytes - (query.edns ? OPT_BYTES : 0);
  const writer = new Writer(packet, query);
  const answers = writer.records(reply.answers, limit);
  const truncated = answers < reply.answers.length;
  const authority = truncated ? 0 : writer.records(reply.authority, limit);
  const additional = truncated ? 0 : writer.records(reply.additional, limit);
  if (query.edns) writer.opt(reply.rcode);
  const flags = 0x8000 | (reply.authoritative ? 0x0400 : 0) | (truncated ? 0x0200 : 0);
  const recursion = (query.recursionDesired ? 0x0100 : 0) | (recursionAvailable ? 0x0080 : 0);
  scratch.writeUInt16BE(query.id, 0);
  scratch.writeUInt16BE(flags | recursion | (reply.rcode & 0x0f), 2);
  scratch.writeUInt16BE(1, 4);
  scratch.writeUInt16BE(answers, 6);
  scratch.writeUInt16BE(authority, 8);
  scratch.writeUInt16BE(additional + (query.edns ? 1 : 0), 10);
  return Buffer.from(scratch.subarray(0, writer.at));
}

/** Returns how many bytes a UDP response to this query may have. */
export function udpLimit(query: Query): number {
  return query.edns?.udpBytes ?? PLAIN_UDP_BYTES;
}

class Writer {
  at: number;
  /** The offset of each name and of each of its suffixes that the message already contains. */
  readonly #names = new Map<string, number>();

  constructor(packet: Buffer, query: Query) {
    packet.copy(scratch, HEADER_BYTES, HEADER_BYTES, query.questionEnd);
    this.at = query.questionEnd;
    this.#remember(query.name, HEADER_BYTES);
  }

  /** Writes the records that end before `limit`; returns their number. */
  records(records: readonly DnsRecord[], limit: number): number {
    let written = 0;
    for (const record of records) {
      const before = this.at;
      this.#record(record);
      if (this.at > limit) {
        this.at = before;
        break;
      }
      written++;
    }
    return written;
  }

  opt(rcode: number): void {
    scratch[this.at] = 0;
    scratch.writeUInt16BE(TYPE.OPT, this.at + 1);
    scratch.writeUInt16BE(OWN_UDP_BYTES, this.at + 3);
    scratch.writeUInt32BE((rcode >> 4) << 24, this.at + 5);
    scratch.writeUInt16BE(0, this.at + 9);
    this.at += OPT_BYTES;
  }

  #record(record: DnsRecord): void {
    this.#name(record.name);
    scratch.writeUInt16BE(record.type, this.at);
    scratch.writeUInt16BE(CLASS.IN, this.at + 2);
    scratch.writeUInt32BE(TTL_SECONDS, this.at + 4);
    const lengthAt = this.at + 8;
    this.at += 10;
    this.#data(record);
    scratch.writeUInt16BE(this.at - lengthAt - 2, lengthAt);
  }

  #data(record: DnsRecord): void {
    if ('address' in record) {
      record.address.copy(scratch, this.at);
      this.at += record.address.length;
    } else if (record.type === TYPE.SRV) {
      for (const value of [record.priority, record.weight, record.port]) this.#uint16(value);
      // The target of SRV must not be compressed (RFC 2782).
      this.#plainName(record.target);
    } else if ('target' in record) {
      this.#name(record.target);
    } else {
      this.#name(`ns.${record.name}`);
      this.#name(`hostmaster.${record.name}`);
      for (const value of [record.serial, SOA_REFRESH, SOA_RETRY, SOA_EXPIRE, TTL_SECONDS]) this.#uint32(value);
    }
  }

  #name(name: string): void {
    const known = this.#names.get(name);
    if (known !== undefined) {
      this.#uint16(0xc000 | known);
      return;
    }
    const dot = name.indexOf('.');
    if (this.at <= MAX_POINTER) this.#names.set(name, this.at);
    this.#label(dot < 0 ? name : name.slice(0, dot));
    if (dot < 0) scratch[this.at++] = 0;
    else this.#name(name.slice(dot + 1));
  }

  #plainName(name: string): void {
    // The additional section repeats the whole name with its address: remember it.
    if (this.at <= MAX_POINTER) this.#names.set(name, this.at);
    const bytes = wireName(name);
    scratch.set(bytes, this.at);
    this.at += bytes.length;
  }

  #label(label: string): void {
    const length = scratch.write(label, this.at + 1, 'latin1');
    scratch[this.at] = length;
    this.at += length + 1;
  }

  /** Makes the name and its suffixes available to the pointers of later records. */
  #remember(name: string, at: number): void {
    // A name with escapes differs from its bytes in the message, so that suffix offsets cannot be computed.
    if (at + name.length > MAX_POINTER || name.includes('\\')) return;
    for (let from = 0; ; ) {
      const rest = from === 0 ? name : name.slice(from);
      if (rest !== '' && !this.#names.has(rest)) this.#names.set(rest, at + from);
      const dot = name.indexOf('.', from);
      if (dot < 0) return;
      from = dot + 1;
    }
  }

  #uint16(value: number): void {
    scratch.writeUInt16BE(value, this.at);
    this.at += 2;
  }

  #uint32(value: number): void {
    scratch.writeUInt32BE(value >>> 0, this.at);
    this.at += 4;
  }
}
