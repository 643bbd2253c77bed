import { isIP } from 'node:net';

/** The source of a connection, as the proxy in front of us states it in its PROXY protocol header. */
export interface ProxyHeader {
  /** Absent when the proxy speaks for itself, as in its health checks (LOCAL). */
  readonly address?: string;
  /** Length of the header in bytes. */
  readonly length: number;
}

const V2_SIGNATURE = Buffer.from([0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a]);
const V2_HEAD = 16;
const V1_MAX = 107;

/** Parses a header of version 1 or 2; returns `more` while it is incomplete and `wrong` for anything else. */
export function readProxyHeader(data: Buffer): ProxyHeader | 'more' | 'wrong' {
  const common = Math.min(data.length, V2_SIGNATURE.length);
  if (V2_SIGNATURE.subarray(0, common).equals(data.subarray(0, common))) return readVersion2(data);
  return readVersion1(data);
}

function readVersion1(data: Buffer): ProxyHeader | 'more' | 'wrong' {
  const text = data.subarray(0, V1_MAX).toString('latin1');
  if (!text.startsWith('PROXY '.slice(0, text.length))) return 'wrong';
  const end = text.indexOf('\r\n');
  if (end < 0) return text.length < V1_MAX ? 'more' : 'wrong';
  const [, family, address] = text.slice(0, end).split(' ');
  if (family === 'UNKNOWN') return { length: end + 2 };
  const version = family === 'TCP4' ? 4 : family === 'TCP6' ? 6 : undefined;
  return address !== undefined && isIP(address) === version ? { address, length: end + 2 } : 'wrong';
}

function readVersion2(data: Buffer): ProxyHeader | 'more' | 'wrong' {
  if (data.length < V2_HEAD) return 'more';
  const length = V2_HEAD + data.readUInt16BE(14);
  if (data[12]! >> 4 !== 2) return 'wrong';
  if (data.length < length) return 'more';
  const isLocal = (data[12]! & 0x0f) === 0;
  const family = data[13]! >> 4;
  const body = data.subarray(V2_HEAD, length);
  if (isLocal || (family !== 1 && family !== 2)) return { length };
  if (family === 1) return body.length < 12 ? 'wrong' : { address: body.subarray(0, 4).join('.'), length };
  return body.length < 36 ? 'wrong' : { address: formatIPv6(body.subarray(0, 16)), length };
}

function formatIPv6(bytes: Buffer): string {
  return Array.from({ length: 8 }, (_, group) => bytes.readUInt16BE(group * 2).toString(16)).join(':');
}
