/** What docs/dns.md says of containers whose only resolver is their machine's fleetd, tried with a real docker. */

import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { until } from '../../src/lib/test-until.ts';
import { powerOff } from '../../src/runtime/supervisor/index.ts';
import { DockerHosts, whyNoDocker } from './docker-daemon.ts';
import { packNode } from './docker-images.ts';

import { enterOwnNetwork } from './own-network.ts';

const skip = whyNoDocker() ?? false;
if (skip === false) enterOwnNetwork();

const FLEETD: string = path.resolve(import.meta.dirname, '../../bin/fleetd');
const BRIDGE = '172.17.0.1';
/** Where the resolver of a machine often is. */
const RESOLVER = '127.0.0.53';
const SERVER = 'jlordiales/python-micro-service';

/** Answers every question with one address. */
async function openResolver(address: readonly number[]): Promise<Socket> {
  const socket = createSocket('udp4').on('message', (packet, from) => {
    const question = packet.subarray(12, packet.indexOf(0, 12) + 5);
    const isA = question.readUInt16BE(question.length - 4) === 1;
    const header = Buffer.from([...packet.subarray(0, 2), 0x81, 0x80, 0, 1, 0, isA ? 1 : 0, 0, 0, 0, 0]);
    const answer = Buffer.from(isA ? [0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 9, 0, 4, ...address] : []);
    socket.send(Buffer.concat([header, question, answer]), from.port, from.address);
  });
  socket.bind(53, RESOLVER);
  await once(socket, 'listening');
  return socket;
}

describe('containers whose only resolver is fleetd on the address of their bridge', { skip }, () => {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'fl-dns-'));
  const at = (name: string) => path.join(folder, name);
  const processes: ChildProcess[] = [];
  let hosts: DockerHosts;
  let resolver: Socket;

  function start(...args: string[]): void {
    const log = openSync(at('log'), 'a');
    processes.push(spawn(FLEETD, args, { stdio: ['ignore', log, log] }));
    closeSync(log);
  }

  before(async () => {
    resolver = await openResolver([192, 0, 2, 7]);
    hosts = await DockerHosts.start(1, 'ours');
    await hosts.docker(1, 'import', packNode(folder), 'node');
    start('store', '--data-dir', at('store'), '--listen', '127.0.0.1:2379');
    writeFileSync(at('resolv.conf'), `nameserver ${RESOLVER}\n`);
    const settings = {
      dns_listen: `127.0.0.1:8600,${BRIDGE}:53`,
      dns_recursors: at('resolv.conf'),
      docker_socket: hosts.socket(1),
      machine_id: 'd0'.repeat(16),
      state_directory: at('state'),
      listen: at('fleet.sock'),
      runtime: 'supervisor',
      router: 'off',
    };
    writeFileSync(
      at('fleet.conf'),
      Object.entries(settings)
        .map(([name, value]) => `${name}=${value}\n`)
        .join(''),
    );
    start('--config', at('fleet.conf'));
    await hosts.docker(1, 'run', '-d', '-p', '8080:5000', '--name', 'web-1', '-e', 'SERVICE_NAME=web', SERVER);
    await until('DNS answers', () => readFileSync(at('log'), 'utf8').includes(`DNS answers address=${BRIDGE}:53`));
    // Until then the resolver of other names is asked, which knows them all.
    await until('web is in the catalog', async () => (await lookUp('web')).includes(BRIDGE));
  });

  after(async () => {
    for (const process of processes) {
      process.kill('SIGTERM');
      if (process.exitCode === null) await once(process, 'exit');
    }
    // A supervisor waits for the next fleetd for a while.
    await powerOff({ directory: at('state/supervisor') });
    await hosts?.dispose();
    resolver?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  /** What a command prints in a container that asks nobody else. */
  const inContainer = (...command: string[]) =>
    hosts.docker(1, 'run', '--rm', '--dns', BRIDGE, '--dns-search', 'service.consul', ...command);

  /** By the C library, as most programs do. */
  const lookUp = async (name: string) => {
    const script = `dns.lookup('${name}', { all: true, family: 4 }, (_, all = []) => console.log(JSON.stringify(all.map(({ address }) => address))))`;
    return JSON.parse(await inContainer('node', 'node', '-e', script)) as string[];
  };

  test('a service is found by its bare name, at an address that others reach', async () => {
    assert.deepEqual(await lookUp('web'), [BRIDGE]);
    const id = await hosts.docker(1, 'ps', '-q', '--filter', 'name=web-1');
    const answer = await inContainer('busybox', 'wget', '-qO-', 'http://web:8080/');
    assert.equal(answer, `Hello World from ${id}`);
    const script = "fetch('http://web:8080/').then((got) => got.text()).then((text) => console.log(text.trim()))";
    assert.equal(await inContainer('node', 'node', '-e', script), answer);
  });

  test('other names are asked of the resolvers of the machine', async () => {
    assert.deepEqual(await lookUp('www.example.com'), ['192.0.2.7']);
  });

  test('a name that is neither is not found', async () => {
    assert.deepEqual(await lookUp('nothing.service.consul'), []);
  });
});
