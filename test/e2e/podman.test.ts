import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { systemClock as clock, silentLog as log, systemRandom as random } from '../../src/lib/index.ts';
import { until } from '../../src/lib/test-until.ts';
import type { Registration } from '../../src/services/index.ts';
import { ContainerServices } from '../../src/services/sources/index.ts';

import { PodmanHost, whyNoPodman } from './podman-host.ts';

const MACHINE = { hostName: 'm1', address: '10.0.0.1', internal: false };

describe('containers of a real podman are services', { skip: whyNoPodman() }, () => {
  let host: PodmanHost;
  let state: readonly Registration[] | undefined;
  const stopping = new AbortController();
  /** Sooner than all containers are looked at anew. */
  const becomes = (...wanted: string[]) =>
    until(`the containers are ${wanted.join()}`, () => names()?.join() === wanted.join(), 20_000).catch((error) => {
      throw new Error(`${error.message}; they are ${names()?.join()}`);
    });
  const names = () => state?.map(({ container }) => container).sort();

  before(async () => {
    host = await PodmanHost.start();
    await host.run('first', '-e', 'SERVICE_NAME=one', '-l', 'SERVICE_TAGS=http,blue');
    host.startService();
    const source = new ContainerServices({ socket: host.socket, machine: () => MACHINE, clock, random, log });
    const follow = async () => {
      for await (const next of source.states(stopping.signal)) state = next;
    };
    void follow();
  });
  after(async () => {
    stopping.abort();
    await host?.dispose();
  });

  test('those that run already are found, with what they say of themselves', async () => {
    await becomes('first');
    const [one] = state!;
    assert.deepEqual([one?.name, one?.tags, one?.id], ['one', ['http', 'blue'], 'm1:first:5000']);
    assert.equal(`0.0.0.0:${one?.port}`, await host.podman('port', 'first', '5000/tcp'));
    assert.equal(one?.address, '', "the machine's own");
  });

  test('they come when they start and go when they end, and may come again', async () => {
    await host.run('second');
    await becomes('first', 'second');
    await host.podman('kill', 'second');
    await becomes('first');
    await host.podman('start', 'second');
    await becomes('first', 'second');
    await host.podman('rename', 'second', 'renamed');
    await becomes('first', 'renamed');
    await host.podman('rm', '-f', '-t', '0', 'renamed');
    await becomes('first');
  });

  test('what happened while the service was away is made up for', async () => {
    await host.run('gone');
    await becomes('first', 'gone');
    await host.stopService();
    await host.podman('rm', '-f', '-t', '0', 'gone');
    await host.run('missed');
    host.startService();
    await becomes('first', 'missed');
  });
});
