import { TYPE } from './message.ts';

/** One record of an answer. `name` and `target` are lower case, without the last dot. */
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
  | { readonly name: string; readonly type: typeof TYPE.NS; readonly target: string }
  | { readonly name: string; readonly type: typeof TYPE.SOA; readonly serial: number };

/** An A or AAAA record; undefined when the text is no IP address. */
export function addressRecord(name: string, address: string): DnsRecord | undefined {
  const bytes = addressBytes(address);
  return bytes && { name, type: bytes.length === 4 ? TYPE.A : TYPE.AAAA, address: bytes };
}

/** The 4 or 16 bytes of an IP address. */
export function addressBytes(address: string): Buffer | undefined {
  if (/^\d{1,3}(\.\d{1,3}){3}$/.test(address)) {
    const parts = address.split('.').map(Number);
    return parts.every((part) => part <= 255) ? Buffer.from(parts) : undefined;
  }
  return address.includes(':') ? ipv6Bytes(address) : undefined;
}

function ipv6Bytes(address: string): Buffer | undefined {
  const plain = address.replace(/%.*$/, '').replace(/\d+(\.\d+){3}$/, (dotted) => {
    const bytes = addressBytes(dotted);
    return bytes ? `${bytes.readUInt16BE(0).toString(16)}:${bytes.readUInt16BE(2).toString(16)}` : 'x';
  });
  const halves = plain.split('::');
  const [head = [], tail = []] = halves.map((half) => (half === '' ? [] : half.split(':')));
  const missing = 8 - head.length - tail.length;
  if (halves.length > 2 || (halves.length === 2 ? missing < 1 : missing !== 0)) return undefined;
  const groups = [...head, ...Array<string>(missing).fill('0'), ...tail];
  if (!groups.every((group) => /^[0-9a-f]{1,4}$/i.test(group))) return undefined;
  return Buffer.from(groups.map((group) => group.padStart(4, '0')).join(''), 'hex');
}
