import { readFile } from 'node:fs/promises';
import { isIPv6 } from 'node:net';
import { endianness, userInfo } from 'node:os';

/** A connection as its listener sees it; without addresses for a unix socket, whose mode says who may use it. */
export interface PeerAddresses {
  readonly remoteAddress?: string | undefined;
  readonly remotePort?: number | undefined;
  readonly localAddress?: string | undefined;
  readonly localPort?: number | undefined;
}

/** Says once per connection whether its peer may use it; undefined, at once or later: it may. Never rejects. */
export type AdmitPeer = (peer: PeerAddresses) => Promise<string | undefined> | undefined;

interface OwnUser {
  readonly uid: number;
  readonly username: string;
}

/** A user without an entry in /etc/passwd, as in many containers, has a number all the same, which sudo takes as `#1000`. */
function ownUser(): OwnUser {
  const uid = process.geteuid!();
  try {
    return { uid, username: userInfo().username };
  } catch {
    return { uid, username: `#${uid}` };
  }
}

/** The kernel may leave a row out while the table changes between two reads of it. */
const LOOKS = 3;

/**
 * Lets in, of the users of this computer, root and the user of this process alone. Peers on other computers are not asked:
 * where they must not come, the listener is on loopback.
 */
export function ownUserOnly({ uid, username }: OwnUser = ownUser()): AdmitPeer {
  const refusal =
    uid === 0
      ? 'only root may use this on this computer: run it as root (sudo …)'
      : `only ${username} and root may use this on this computer: run it as one of them (sudo -u ${username} …)`;
  const tables = { tcp: new Table('tcp'), tcp6: new Table('tcp6') };
  return ({ remoteAddress, remotePort, localAddress, localPort }) => {
    const peer = { remoteAddress, remotePort, localAddress, localPort };
    if (remoteAddress === undefined || !isLocal(peer)) return undefined;
    return ownerOf(peer, tables).then(
      (owner) => (owner === 0 || owner === uid ? undefined : refusal),
      () => refusal,
    );
  };
}

/**
 * A table of the kernel. Reading it takes milliseconds and longer with thousands of sockets: it is not done on the event
 * loop, and connections that come meanwhile share the next reading.
 */
class Table {
  readonly #file: string;
  #reading: Promise<unknown> = Promise.resolve();
  #next: Promise<string> | undefined;

  constructor(name: string) {
    this.#file = `/proc/net/${name}`;
  }

  /** As it is at some moment after this call. */
  read(): Promise<string> {
    if (this.#next) return this.#next;
    const next = this.#reading
      .catch(() => {})
      .then(() => {
        this.#next = undefined;
        return readFile(this.#file, 'latin1');
      });
    this.#next = next;
    this.#reading = next;
    return next;
  }
}

type Tables = Readonly<Record<'tcp' | 'tcp6', Table>>;

/** Either end on loopback: a local client may have chosen any address of this computer as its own. */
function isLocal({ remoteAddress = '', localAddress = '' }: PeerAddresses): boolean {
  return [remoteAddress, localAddress].some((address) => /^(::ffff:)?127\.|^::1$/.test(address));
}

/** The uid of the process that holds the peer's end; undefined when there is none (any more). */
async function ownerOf(peer: PeerAddresses, tables: Tables): Promise<number | undefined> {
  for (let look = 0; look < LOOKS; look++)
    for (const table of tablesOf(peer)) {
      const owner = ownerIn(await tables[table].read(), table === 'tcp' ? hex4 : hex6, peer);
      if (owner !== undefined) return owner;
    }
  return undefined;
}

/** A client's socket of IPv6 may have connected to an address of IPv4. */
function tablesOf({ remoteAddress = '' }: PeerAddresses): readonly ('tcp' | 'tcp6')[] {
  return remoteAddress === '::1' || (isIPv6(remoteAddress) && !isMapped(remoteAddress)) ? ['tcp6'] : ['tcp', 'tcp6'];
}

function ownerIn(text: string, hex: (address: string) => string, peer: PeerAddresses): number | undefined {
  const end = (address: string, port: number) => `${hex(address)}:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  const row = `: ${end(peer.remoteAddress!, peer.remotePort!)} ${end(peer.localAddress!, peer.localPort!)} `;
  const at = text.indexOf(row);
  if (at === -1) return undefined;
  // What follows is st, tx:rx, tr:tm, retrnsmt, uid, timeout, inode (proc_net_tcp(5)).
  const fields = text.slice(at + row.length, at + row.length + 160).split(/\s+/);
  const [uid, inode] = [fields[4], fields[6]];
  // The kernel shows sockets that no process holds any more as root's.
  return inode === '0' ? undefined : Number(uid);
}

const isMapped = (address: string) => address.startsWith('::ffff:');

/** An address of IPv4 as /proc shows it: a number in the byte order of this computer. */
function hex4(address: string): string {
  const bytes = address.replace('::ffff:', '').split('.').map(Number);
  return hexWord(bytes);
}

/** Only the addresses of `isLocal` and those of IPv4 in IPv6. */
function hex6(address: string): string {
  const zero = hexWord([0, 0, 0, 0]);
  if (address === '::1') return zero + zero + zero + hexWord([0, 0, 0, 1]);
  return zero + zero + hexWord([0, 0, 255, 255]) + hex4(address);
}

function hexWord(bytes: readonly number[]): string {
  const ordered = endianness() === 'LE' ? [...bytes].reverse() : bytes;
  return ordered.map((byte) => byte.toString(16).toUpperCase().padStart(2, '0')).join('');
}
