import assert from 'node:assert/strict';
import net from 'node:net';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { systemClock as clock, silentLog as log, systemRandom as random } from '../../src/lib/index.ts';
import { until } from '../../src/lib/test-until.ts';
import type { Registration } from '../../src/services/index.ts';
import { ContainerServices } from '../../src/services/sources/index.ts';
import { DockerHosts, whyNoDocker } from './docker-daemon.ts';

const APP = 'jlordiales/python-micro-service';
const MACHINE = { hostName: 'm1', address: '10.0.0.1', internal: false };

/** A socket in front of docker's, whose connections can be cut. */
class Gate {
  readonly #server: net.Server;
  readonly #sockets = new Set<net.Socket>();
  readonly #from: string;

  constructor(from: string, to: string) {
    this.#from = from;
    this.#server = net.createServer((near) => {
      const far = net.connect(to);
      for (const socket of [near, far]) {
        this.#sockets.add(socket);
        socket.on('error', () => {}).on('close', () => [near, far].forEach((each) => void each.destroy()));
      }
      near.pipe(far).pipe(near);
    });
  }

  open(): Promise<void> {
    return new Promise((resolve) => void this.#server.listen(this.#from, resolve));
  }

  /** Also ends what goes through it. */
  close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#sockets.clear();
    return new Promise((resolve) => void this.#server.close(() => resolve()));
  }
}

describe('containers of a real dockerd are services', { skip: whyNoDocker() }, () => {
  let hosts: DockerHosts;
  let gate: Gate;
  let state: readonly Registration[] | undefined;
  const stopping = new AbortController();
  const names = () => state?.map(({ container }) => container).sort();
  const start = (name: string, ...options: string[]) =>
    hosts.docker(1, 'run', '-d', '-P', '--name', name, ...options, APP);
  const becomes = (wanted: readonly string[]) =>
    until(`the containers are ${wanted.join()}`, () => names()?.join() === wanted.join()).catch((error) => {
      throw new Error(`${error.message}; they are ${names()?.join()}`);
    });

  before(async () => {
    hosts = await DockerHosts.start(1);
    const socket = path.join(hosts.folder, 'gate.sock');
    gate = new Gate(socket, hosts.socket(1));
    await start('first', '-e', 'SERVICE_NAME=one', '-e', 'SERVICE_TAGS=http', '--restart', 'always');
    const source = new ContainerServices({ socket, machine: () => MACHINE, clock, random, log, reconcileMs: 60_000 });
    const follow = async () => {
      for await (const next of source.states(stopping.signal)) state = next;
    };
    void follow();
  });

  after(async () => {
    stopping.abort();
    await gate.close();
    await hosts.dispose();
  });

  test('there are none while docker is not there', async () => {
    await until('it is told that there are none', () => state !== undefined);
    assert.deepEqual(state, []);
  });

  test('those that run already are found, with what they say of themselves', async () => {
    await gate.open();
    await becomes(['first']);
    const [one] = state!;
    assert.deepEqual([one?.name, one?.tags, one?.id, one?.address], ['one', ['http'], 'm1:first:5000', '']);
    const published = await hosts.docker(1, 'port', 'first', '5000/tcp');
    assert.equal(String(one?.port), published.split('\n')[0]!.split(':').at(-1));
  });

  test('with docker_internal they are found at addresses of their own', async () => {
    const machine = () => ({ ...MACHINE, internal: true });
    const source = new ContainerServices({ socket: hosts.socket(1), machine, clock, random, log });
    const ending = new AbortController();
    const { value } = await source.states(ending.signal)[Symbol.asyncIterator]().next();
    ending.abort();
    const address = await hosts.docker(1, 'inspect', '-f', '{{.NetworkSettings.IPAddress}}', 'first');
    const [one] = value as readonly Registration[];
    assert.deepEqual([one?.name, one?.address, one?.port], ['one', address, 5000]);
  });

  test('they come when they start and go when they die, and may come again', async () => {
    await start('second');
    await becomes(['first', 'second']);
    await hosts.docker(1, 'kill', 'second');
    await becomes(['first']);
    await hosts.docker(1, 'start', 'second');
    await becomes(['first', 'second']);
    await hosts.docker(1, 'rename', 'second', 'renamed');
    await becomes(['first', 'renamed']);
    assert.ok(state?.some(({ id }) => id === 'm1:renamed:5000'));
    await hosts.docker(1, 'rm', '-f', 'renamed');
    await becomes(['first']);
  });

  test('a burst of starts and ends leaves what runs, on the ports that it has', async () => {
    const docker = (...args: string[]) => hosts.docker(1, ...args);
    const ends: readonly ((name: string) => Promise<unknown>)[] = [
      (name) => docker('kill', name),
      (name) => docker('rm', '-f', name),
      (name) => docker('restart', '-t', '0', name),
      (name) => docker('rename', name, `other-${name}`),
      async () => {},
    ];
    const lives = Array.from({ length: 25 }, (_, i) => async () => {
      await start(`burst-${i}`);
      await ends[i % ends.length]!(`burst-${i}`);
    });
    const work = async () => {
      for (let life = lives.pop(); life !== undefined; life = lives.pop()) await life();
    };
    await Promise.all([work(), work(), work(), work()]);
    const running = (await docker('ps', '--format', '{{.Names}} {{.Ports}}')).replace(/0\.0\.0\.0:(\d+)->.*/g, '$1');
    assert.equal(running.split('\n').length, 16);
    const known = () => state?.map(({ container, port }) => `${container} ${port}`).sort();
    // Sooner than all containers are looked at anew.
    await until('they are known', () => known()?.join() === running.split('\n').sort().join()).catch((error) => {
      throw new Error(`${error.message}; docker runs\n${running}\nand known are\n${known()?.join('\n')}`);
    });
    await docker('rm', '-f', ...running.split('\n').flatMap((line) => /^\S*burst-\S+/.exec(line) ?? []));
    await becomes(['first']);
  });

  test('what happened while the events were cut off is made up for', async () => {
    await start('gone');
    await becomes(['first', 'gone']);
    await gate.close();
    await hosts.docker(1, 'rm', '-f', 'gone');
    await start('missed');
    await gate.open();
    await becomes(['first', 'missed']);
  });

  test('a restart of docker leaves no ghosts, and finds ports that are new', async () => {
    const portOf = (name: string) => state?.find(({ container }) => container === name)?.port;
    await hosts.powerOff(1);
    await hosts.powerOn(1);
    await becomes(['first']);
    const published = async () =>
      (await hosts.docker(1, 'port', 'first', '5000/tcp')).split('\n')[0]!.split(':').at(-1);
    await until('the port is the new one', async () => String(portOf('first')) === (await published()));
  });

  test('a docker that stays away has no containers', async () => {
    await hosts.powerOff(1);
    await becomes([]);
  });
});
