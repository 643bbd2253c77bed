import { TYPE } from './message.ts';

/** One record of a response. `name` and `target` are lower case, without the final dot. */
export type DnsRecord =
  | { readonly name: string; readonly type: typeof TYPE.A | typeof TYPE.AAAA; readonly address: Buffer }
  | {
      readonly name: string;
      readonly type: typeof TYPE.SRV;
      readonly priority: number;
      readonly weight: number;
      readonly port: number;
      readonly target: string;
    }
  | { readonly name: string; readonly type: typeof TYPE.NS | typeof TYPE.CNAME; readonly target: string }
  | { readonly name: string; readonly type: typeof TYPE.SOA; readonly serial: number };

/** Makes an A or AAAA record, or a CNAME record for a host name; undefined when the text is neither. */
export function addressRecord(name: string, address: string): DnsRecord | undefined {
  const bytes = addressBytes(address);
  if (bytes) return { name, type: bytes.length === 4 ? TYPE.A : TYPE.AAAA, address: bytes };
  const target = hostName(address);
  return target === undefined ? undefined : { name, type: TYPE.CNAME, target };
}

/**
 * Returns the host name in lower case without the final dot; undefined when `address` is an IP address or malformed.
 */
export function hostName(address: string): string | undefined {
  const name = address.toLowerCase().replace(/\.$/, '');
  return isDnsName(name) && /[a-z]/.test(name.slice(name.lastIndexOf('.') + 1)) && !name.includes(':')
    ? name
    : undefined;
}

/** True when every label fits into a message. */
export function isDnsName(name: string): boolean {
  return name.length <= 253 && name.split('.').every((label) => /^[\x21-\x7e]{1,63}$/.test(label));
}

const MAX_WIRE_NAMES = 10_000;
const wireNames = new Map<string, Buffer>();

/** Encodes a name without compression. Cached: SRV targets are few and are written again and again. */
export function wireName(name: string): Buffer {
  const known = wireNames.get(name);
  if (known) return known;
  const labels = name.split('.').map((label) => Buffer.from(`${String.fromCharCode(label.length)}${label}`, 'latin1'));
  const bytes = Buffer.concat([...labels, Buffer.from([0])]);
  if (wireNames.size >= MAX_WIRE_NAMES) wireNames.clear();
  wireNames.set(name, bytes);
  return bytes;
}

/** The 4 or 16 bytes of an IP address. */
export function addressBytes(address: string): Buffer | undefined {
  if (/^\d{1,3}(\.\d{1,3}){3}$/.test(address)) {
    const parts = address.split('.').map(Number);
    return parts.every((part) => part <= 255) ? Buffer.from(parts) : undefined;
  }
  return address.includes(':') ? ipv6Bytes(address) : undefined;
}

/** Rewrites the final group of an IPv6 address as two groups when it is written like an IPv4 address. */
function withoutDots(group: string): string {
  if (!group.includes('.')) return group;
  const bytes = addressBytes(group);
  return bytes ? `${bytes.readUInt16BE(0).toString(16)}:${bytes.readUInt16BE(2).toString(16)}` : 'x';
}

function ipv6Bytes(address: string): Buffer | undefined {
  const [unzoned = ''] = address.split('%', 1);
  const end = unzoned.lastIndexOf(':') + 1;
  const plain = unzoned.slice(0, end) + withoutDots(unzoned.slice(end));
  const halves = plain.split('::');
  const [head = [], tail = []] = halves.map((half) => (half === '' ? [] : half.split(':')));
  const missing = 8 - head.length - tail.length;
  if (halves.length > 2 || (halves.length === 2 ? missing < 1 : missing !== 0)) return undefined;
  const groups = [...head, ...Array<string>(missing).fill('0'), ...tail];
  if (!groups.every((group) => /^[0-9a-f]{1,4}$/i.test(group))) return undefined;
  return Buffer.from(groups.map((group) => group.padStart(4, '0')).join(''), 'hex');
}
