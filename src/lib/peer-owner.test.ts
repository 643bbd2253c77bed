import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { networkInterfaces } from 'node:os';
import { after, describe, test } from 'node:test';
import { type AdmitPeer, ownUserOnly } from './index.ts';

/** Two users that own no files: nobody and daemon. */
const [OWN, OTHER] = [65_534, 1];
/** A uid that no distribution assigns. */
const NAMELESS = 2_000_000_001;
const skip = process.getuid?.() === 0 ? false : 'only root can be several users';

const CONNECT = `
import socket, sys
host, port, source, then = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]
s = socket.create_connection((host, port), source_address=(source, 0) if source else None)
s.sendall(b'x')
if then == 'close': sys.exit()
if then == 'half': s.shutdown(socket.SHUT_WR)
sys.stdin.read()
`;

interface Asked {
  readonly uid: number;
  readonly listen?: string;
  readonly to?: string;
  /** The client's own address; empty: the kernel chooses. */
  readonly source?: string;
  readonly end?: 'stay' | 'half' | 'close';
}

const children: ChildProcess[] = [];
after(() => children.forEach((child) => void child.kill('SIGKILL')));

/**
 * Returns the verdict of `admit` on one connection of that user, after the client has sent its first byte and done all
 * else.
 */
async function verdict(
  admit: AdmitPeer,
  { uid, listen = '127.0.0.1', to = listen, source = '', end = 'stay' }: Asked,
): Promise<string | undefined> {
  const server = createServer();
  server.listen(0, listen);
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const connected = once(server, 'connection') as Promise<[Socket]>;
  const args = ['-c', CONNECT, to, String(port), source, end];
  const child = spawn('python3', args, { uid, gid: uid, stdio: ['pipe', 'ignore', 'inherit'] });
  children.push(child);
  const [socket] = await connected;
  // The hardest moment: a client that closes at once has gone by then.
  if (end === 'close') await once(child, 'exit');
  const said = await admit(socket);
  child.kill('SIGKILL');
  socket.destroy();
  server.close();
  return said;
}

describe('of the users of this computer, one and root are let in', { skip }, () => {
  const admit = ownUserOnly({ uid: OWN, username: 'nobody' });
  const refusal = 'only nobody and root may use this on this computer: run it as one of them (sudo -u nobody …)';
  const own = Object.values(networkInterfaces()).flat();
  const address = own.find((each) => each?.family === 'IPv4' && !each.internal)?.address;

  const WAYS: readonly (readonly [what: string, way: Omit<Asked, 'uid'>])[] = [
    ['over IPv4', {}],
    ['to another address of loopback', { listen: '127.0.1.3' }],
    ['over IPv6', { listen: '::1' }],
    ['over IPv4 to a listener of IPv6', { listen: '::', to: '127.0.0.1' }],
    ['over a socket of IPv6 to an address of IPv4', { to: '::ffff:127.0.0.1' }],
    ['that has sent all it will send', { end: 'half' }],
    ...(address === undefined ? [] : [['from an address that is not loopback', { source: address }] as const]),
  ];
  for (const [what, way] of WAYS)
    test(`a client ${what}`, async () => {
      assert.equal(await verdict(admit, { ...way, uid: OWN }), undefined);
      assert.equal(await verdict(admit, { ...way, uid: 0 }), undefined);
      assert.equal(await verdict(admit, { ...way, uid: OTHER }), refusal);
    });

  test('of what is run by root, a client is told of root alone', async () => {
    const admitRoot = ownUserOnly({ uid: 0, username: 'root' });
    const said = 'only root may use this on this computer: run it as root (sudo …)';
    assert.equal(await verdict(admitRoot, { uid: OTHER }), said);
    assert.equal(await verdict(admitRoot, { uid: 0 }), undefined);
  });

  test('a client that has gone is nobody, though the kernel shows its socket as that of root', async () => {
    assert.equal(await verdict(admit, { uid: OTHER, end: 'close' }), refusal);
  });

  test('a user without an entry in /etc/passwd is told by number', async () => {
    process.seteuid!(NAMELESS);
    let nameless: AdmitPeer;
    try {
      nameless = ownUserOnly();
    } finally {
      process.seteuid!(0);
    }
    assert.equal(await verdict(nameless, { uid: NAMELESS }), undefined);
    assert.match((await verdict(nameless, { uid: OTHER })) ?? '', /^only #2000000001 and root may use this/);
  });

  test('a unix socket is not asked: its mode says who may use it', () => assert.equal(admit({}), undefined));
});
