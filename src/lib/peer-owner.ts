import { readFile } from 'node:fs/promises';
import { isIPv6 } from 'node:net';
import { endianness, userInfo } from 'node:os';

/** A connection as its listener sees it. A unix socket has no addresses; its file mode says who may use it. */
export interface PeerAddresses {
  readonly remoteAddress?: string | undefined;
  readonly remotePort?: number | undefined;
  readonly localAddress?: string | undefined;
  readonly localPort?: number | undefined;
}

/**
 * Decides once per connection whether the peer may use it. Returns the refusal as a sentence, or undefined to admit the
 * peer; may return a promise, which never rejects.
 */
export type AdmitPeer = (peer: PeerAddresses) => Promise<string | undefined> | undefined;

interface OwnUser {
  readonly uid: number;
  readonly username: string;
}

/** A uid without an entry in /etc/passwd, as in many containers, is written `#1000`, which sudo accepts. */
function ownUser(): OwnUser {
  const uid = process.geteuid!();
  try {
    return { uid, username: userInfo().username };
  } catch {
    return { uid, username: `#${uid}` };
  }
}

/**
 * Readings of the table per decision: the kernel may omit a row while the table changes between two reads of the file.
 */
const LOOKS = 3;

/**
 * Admits only root and this process's user among the users of this computer. Peers on other computers are admitted: a
 * listener that must not serve them listens on loopback.
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
 * A connection table of the kernel in /proc. Reading it takes milliseconds, longer with thousands of sockets: it is
 * read off the event loop, and connections that arrive meanwhile share the next reading.
 */
class Table {
  readonly #file: string;
  #reading: Promise<unknown> = Promise.resolve();
  #next: Promise<string> | undefined;

  constructor(name: string) {
    this.#file = `/proc/net/${name}`;
  }

  /** Resolves with the table as it was at some moment after this call. */
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

/** True when either end is on loopback: a local client may bind any address of this computer. */
function isLocal({ remoteAddress = '', localAddress = '' }: PeerAddresses): boolean {
  return [remoteAddress, localAddress].some((address) => /^(::ffff:)?127\.|^::1$/.test(address));
}

/** Returns the uid of the process that holds the peer's end; undefined when no process holds it (any more). */
async function ownerOf(peer: PeerAddresses, tables: Tables): Promise<number | undefined> {
  for (let look = 0; look < LOOKS; look++)
    for (const table of tablesOf(peer)) {
      const owner = ownerIn(await tables[table].read(), table === 'tcp' ? hex4 : hex6, peer);
      if (owner !== undefined) return owner;
    }
  return undefined;
}

/** An IPv6 socket may be connected to an IPv4 address, and is then listed in tcp6. */
function tablesOf({ remoteAddress = '' }: PeerAddresses): readonly ('tcp' | 'tcp6')[] {
  return remoteAddress === '::1' || (isIPv6(remoteAddress) && !isMapped(remoteAddress)) ? ['tcp6'] : ['tcp', 'tcp6'];
}

function ownerIn(text: string, hex: (address: string) => string, peer: PeerAddresses): number | undefined {
  const end = (address: string, port: number) => `${hex(address)}:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  const row = `: ${end(peer.remoteAddress!, peer.remotePort!)} ${end(peer.localAddress!, peer.localPort!)} `;
  const at = text.indexOf(row);
  if (at === -1) return undefined;
  // The remaining columns are st, tx:rx, tr:tm, retrnsmt, uid, timeout, inode (proc_net_tcp(5)).
  const fields = text.slice(at + row.length, at + row.length + 160).split(/\s+/);
  const [uid, inode] = [fields[4], fields[6]];
  // The kernel lists sockets that no process holds any more as root's, with inode 0.
  return inode === '0' ? undefined : Number(uid);
}

const isMapped = (address: string) => address.startsWith('::ffff:');

/** Writes an IPv4 address as /proc does: a number in the byte order of this computer. */
function hex4(address: string): string {
  const bytes = address.replace('::ffff:', '').split('.').map(Number);
  return hexWord(bytes);
}

/** Handles the addresses that `isLocal` accepts and IPv4-mapped addresses only. */
function hex6(address: string): string {
  const zero = hexWord([0, 0, 0, 0]);
  if (address === '::1') return zero + zero + zero + hexWord([0, 0, 0, 1]);
  return zero + zero + hexWord([0, 0, 255, 255]) + hex4(address);
}

function hexWord(bytes: readonly number[]): string {
  const ordered = endianness() === 'LE' ? [...bytes].reverse() : bytes;
  return ordered.map((byte) => byte.toString(16).toUpperCase().padStart(2, '0')).join('');
}
