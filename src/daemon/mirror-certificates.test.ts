import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { type ApiTestCluster, eventually, openTestCluster } from '../api/test-api.ts';
import { systemClock as clock, silentLog as log, systemRandom as random } from '../lib/index.ts';
import { forgetCertificates, mirrorCertificates } from './mirror-certificates.ts';

let cluster: ApiTestCluster;
const stopping = new AbortController();
before(async () => {
  cluster = await openTestCluster(1000);
});
after(async () => {
  stopping.abort();
  await cluster.close();
});

const files = (directory: string) =>
  Object.fromEntries(readdirSync(directory).map((file) => [file, readFileSync(path.join(directory, file), 'utf8')]));

test('the files of every machine are what the store holds, over an outage of it', async () => {
  const directories = ['m1', 'm2', 'm3'].map((name) => path.join(cluster.directory, name, 'certificates'));
  const [first] = directories as [string];
  mkdirSync(first, { recursive: true });
  writeFileSync(path.join(first, 'left-over.pem'), 'old');
  writeFileSync(path.join(first, '.half.pem'), 'half');
  const common = { cluster: cluster.cluster, clock, random, log, signal: stopping.signal };
  for (const directory of directories) mirrorCertificates({ ...common, directory });
  const hold = (expected: Readonly<Record<string, string>>) =>
    eventually(
      `files ${Object.keys(expected)}`,
      () =>
        directories.every((directory) => JSON.stringify(files(directory)) === JSON.stringify(expected)) || undefined,
    );
  await hold({});

  assert.equal(await cluster.cluster.putCertificate('a', 'pem of a'), true);
  assert.equal(await cluster.cluster.putCertificate('b', 'pem of b'), true);
  await hold({ 'a.pem': 'pem of a', 'b.pem': 'pem of b' });
  for (const directory of directories) assert.equal(statSync(path.join(directory, 'a.pem')).mode & 0o777, 0o600);
  assert.equal(statSync(directories[1]!).mode & 0o777, 0o700);
  assert.equal(await cluster.cluster.putCertificate('a', 'renewed'), false);
  assert.equal(await cluster.cluster.putCertificate('../escaped', 'no name of a file'), true);
  await hold({ 'a.pem': 'renewed', 'b.pem': 'pem of b' });
  assert.equal(existsSync(path.join(first, '../escaped.pem')), false);

  await cluster.stopStore();
  assert.deepEqual(files(first), { 'a.pem': 'renewed', 'b.pem': 'pem of b' });
  await cluster.startStore();
  await eventually('b is removed', async () => await cluster.cluster.removeCertificate('b').catch(() => undefined));
  assert.equal(await cluster.cluster.removeCertificate('b'), false);
  await hold({ 'a.pem': 'renewed' });
  forgetCertificates(first);
  assert.equal(existsSync(first), false);
});
