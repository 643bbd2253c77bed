import { HEADER_BYTES, parseQuery, type Query, readQuestion, readRecord, TYPE } from './message.ts';
import { type DnsRecord, wireName } from './records.ts';

/** The UDP size that our own queries advertise (EDNS0), so that a response with many addresses is not truncated. */
const UDP_BYTES = 4096;

/** Builds our own query for the addresses of a host name: the packet, and the same packet parsed. */
export function questionFor(name: string, type: number): { readonly packet: Buffer; readonly query: Query } {
  const header = Buffer.alloc(HEADER_BYTES);
  header[2] = 1; // Recursion is desired.
  header[5] = 1;
  header[11] = 1;
  const edns = Buffer.from([0, 0, TYPE.OPT, UDP_BYTES >> 8, UDP_BYTES & 0xff, 0, 0, 0, 0, 0, 0]);
  const packet = Buffer.concat([header, wireName(name), Buffer.from([0, type, 0, 1]), edns]);
  const parsed = parseQuery(packet);
  if (parsed.kind !== 'query') throw new Error(`no question can be made of ${name}`);
  return { packet, query: parsed.query };
}

/**
 * Extracts the address records of a response and files them under `name`, whichever aliases stand between. Returns an
 * empty list when the response has none.
 */
export function addressesIn(answer: Buffer, name: string, type: typeof TYPE.A | typeof TYPE.AAAA): DnsRecord[] {
  const found: DnsRecord[] = [];
  const bytes = type === TYPE.A ? 4 : 16;
  let at = readQuestion(answer)?.end;
  for (let left = answer.readUInt16BE(6); left > 0 && at !== undefined; left--) {
    const record = readRecord(answer, at);
    if (record?.type === type && record.end - record.dataAt === bytes)
      found.push({ name, type, address: answer.subarray(record.dataAt, record.end) });
    at = record?.end;
  }
  return found;
}
