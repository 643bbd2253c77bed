import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemClock as clock } from '../lib/index.ts';
import { EtcdLogin } from './etcd-login.ts';
import { GrpcError, STATUS } from './grpc/index.ts';
import { AuthenticateResponse } from './proto/index.ts';

test('a token that is forgotten while no new one can be had concerns only those who ask for one', async () => {
  let reachable = true;
  const login = new EtcdLogin({
    username: 'u',
    password: 'p',
    clock,
    async authenticate() {
      if (reachable) return AuthenticateResponse.encode({ token: 'first' });
      throw new GrpcError(STATUS.unavailable, 'the connection broke');
    },
  });
  const forgotten = new GrpcError(STATUS.unauthenticated, 'etcdserver: invalid auth token');
  assert.equal(await login.token(), 'first');
  assert.equal(await login.refused(forgotten, 'first'), true);
  reachable = false;
  const asked = login.token();
  assert.equal(await login.refused(forgotten, 'first'), true);
  await assert.rejects(asked, /the connection broke/);
});
