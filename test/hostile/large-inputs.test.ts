import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkTxn } from '../../src/store/embedded/txn-check.ts';
import { METHODS, PutRequest, TxnRequest } from '../../src/store/proto/index.ts';
import { checkUnit, readNeeds, readServices, type UnitOption } from '../../src/unitfile/index.ts';
import { startEmbedded } from '../contract/store-servers.ts';
import { GrpcClient, residentMb } from './grpc-client.ts';

const fleet = (name: string, value: string): UnitOption => ({ section: 'X-Fleet', name, value });
const errorsOf = (problems: readonly { readonly severity: string; readonly message: string }[]) =>
  problems.filter(({ severity }) => severity === 'error').map(({ message }) => message);
const words = (count: number) => Array.from({ length: count }, (_, i) => `w${i}-*.service`).join(' ');

test('lists of a unit hold a limited number of words, however they are written', () => {
  for (const key of ['Conflicts', 'Replaces', 'MachineMetadata', 'MachineOf']) {
    const word = key === 'MachineMetadata' ? 'k=v' : 'a.service';
    const repeated = Array.from({ length: 30_000 }, () => fleet(key, word));
    for (const options of [[fleet(key, `${word} `.repeat(60_000))], repeated]) {
      const found = errorsOf(readNeeds('x.service', options).problems);
      assert.equal(found.length, 1, key);
      assert.match(found[0]!, /says more than is looked at \(at most 128 words of 1024 characters/);
    }
    assert.deepEqual(errorsOf(readNeeds('x.service', repeated.slice(0, 128)).problems), []);
  }
  assert.match(
    errorsOf(readNeeds('x.service', [fleet('Conflicts', '*'.repeat(1025))]).problems)[0]!,
    /1024 characters/,
  );
});

test('few words of a list may have wildcards, and many may be names', () => {
  const accepted = `${words(32)} ${Array.from({ length: 96 }, (_, i) => `w${i}.service`).join(' ')}`;
  for (const key of ['Conflicts', 'Replaces']) {
    const { needs, problems } = readNeeds('x.service', [fleet(key, accepted)]);
    assert.deepEqual(problems, []);
    assert.equal(needs.conflicts.length + needs.replaces.length, 128);
    const sentence = `${key}= has more than 32 words with wildcards: use fewer that match more`;
    assert.deepEqual(errorsOf(readNeeds('x.service', [fleet(key, words(100))]).problems), [sentence]);
  }
});

test('specifiers make no value longer than it may be', () => {
  const name = `${'a'.repeat(240)}.service`;
  const long = '%n'.repeat(16_384);
  for (const section of ['X-Fleet', 'X-Service'])
    for (const key of section === 'X-Fleet' ? ['Conflicts', 'MachineOf'] : ['Tags', 'Meta']) {
      const options = Array.from({ length: 2048 }, () => ({ section, name: key, value: long }));
      const found = errorsOf([...readNeeds(name, options).problems, ...readServices(name, options).problems]);
      assert.match(found[0]!, /32768 characters/, key);
      assert.ok(found.length <= 5, `${key}: ${found.length} problems`);
    }
});

test('each strange section is told of once', () => {
  const strange = Array.from({ length: 8000 }, (_, i) => [`xfleet ${i}`, `x-service ${i}`]).flat();
  const options = [...strange, ...strange].map((section) => ({ section, name: 'A', value: 'b' }));
  assert.equal(readNeeds('x.service', options).problems.length, 8000);
  assert.equal(readServices('x.service', options).problems.length, 8000);
});

test('hosts times paths of a service are limited, and so is a value', () => {
  const option = (name: string, value: string): UnitOption => ({ section: 'X-Service', name, value });
  const list = (count: number, of: (i: number) => string) => Array.from({ length: count }, (_, i) => of(i)).join(',');
  const service = (hosts: number, paths: number) => [
    option('Port', '80'),
    option(
      'Host',
      list(hosts, (i) => `h${i}.example`),
    ),
    option(
      'Path',
      list(paths, (i) => `/p${i}`),
    ),
  ];
  assert.deepEqual(errorsOf(checkUnit('x.service', service(16, 16))), []);
  assert.match(
    errorsOf(readServices('x.service', service(1000, 1000)).problems)[0]!,
    /has 1000000 routes .* at most 256 fit/,
  );
  const declared = (count: number, more: (i: number) => readonly UnitOption[] = () => []) =>
    Array.from({ length: count }, (_, i) => [option('Name', `s${i}`), option('Port', '80'), ...more(i)]).flat();
  assert.equal(readServices('x.service', declared(64)).services.length, 64);
  assert.deepEqual(errorsOf(readServices('x.service', declared(1000)).problems), [
    'the unit declares more than 64 services: divide it into several units',
  ]);
  const hosts = (i: number) => [
    option(
      'Host',
      list(256, (host) => `h${host}.s${i}.example`),
    ),
  ];
  assert.deepEqual(errorsOf(readServices('x.service', declared(4, hosts)).problems), []);
  const { services, problems } = readServices('x.service', declared(5, hosts));
  assert.deepEqual(errorsOf(problems), [
    'the services of the unit have 1280 routes together, at most 1024 fit: divide it into several units',
  ]);
  assert.deepEqual(services, []);
  const tags = (count: number) => [
    option('Port', '80'),
    ...Array.from({ length: count }, (_, i) => option('Tags', `${i}${'x'.repeat(1000)}`)),
  ];
  assert.equal(readServices('x.service', tags(64)).services.length, 1);
  assert.deepEqual(errorsOf(readServices('x.service', tags(1000)).problems), [
    'a service says more than 65536 characters: write less',
  ]);
  const together = (chars: number) =>
    errorsOf(
      readServices(
        'x.service',
        declared(8, () => [option('Tags', 'x'.repeat(chars))]),
      ).problems,
    );
  assert.deepEqual(together(16_000), []);
  assert.deepEqual(together(17_000), [
    'the services of the unit say more than 131072 characters together: divide it into several units',
  ]);
  const long = [option('Port', '80'), option('Tags', 'a '.repeat(500_000))];
  assert.match(errorsOf(readServices('x.service', long).problems)[0]!, /Tags= is longer than 32768 characters/);
});

const put = (key: string) => ({ put: { key: Buffer.from(key), value: Buffer.alloc(0) } });
const decoded = (txn: Parameters<typeof TxnRequest.encode>[0]) => TxnRequest.decode(TxnRequest.encode(txn));

test('a transaction and those within it have a limited number of operations together', () => {
  const tooMany = { message: 'etcdserver: too many operations in txn request' };
  const inner = (from: number, count: number) => ({
    txn: { success: Array.from({ length: count }, (_, i) => put(`k${from + i}`)) },
  });
  checkTxn(decoded({ success: Array.from({ length: 128 }, (_, i) => put(`k${i}`)) }), 128);
  checkTxn(decoded({ success: [inner(0, 63), inner(63, 63)] }), 128);
  assert.throws(() => checkTxn(decoded({ success: [inner(0, 64), inner(64, 63)] }), 128), tooMany);
  let deep: Parameters<typeof TxnRequest.encode>[0] = { success: [put('k')] };
  for (let depth = 0; depth < 200; depth++) deep = { success: [{ txn: deep }] };
  assert.throws(() => checkTxn(decoded(deep), 128), tooMany);
});

test('a key put twice, or put and deleted, is found at every depth', () => {
  const duplicate = { message: 'etcdserver: duplicate key given in txn request' };
  const all = { deleteRange: { key: Buffer.from('a'), rangeEnd: Buffer.from('z') } };
  assert.throws(() => checkTxn(decoded({ success: [put('k'), put('k')] }), 128), duplicate);
  assert.throws(() => checkTxn(decoded({ success: [put('k'), { txn: { failure: [put('k')] } }] }), 128), duplicate);
  assert.throws(() => checkTxn(decoded({ success: [{ txn: { success: [all] } }, put('k')] }), 128), duplicate);
  checkTxn(decoded({ success: [{ txn: { success: [put('k')], failure: [put('k')] } }] }), 128);
  checkTxn(decoded({ success: [put('k')], failure: [all] }), 128);
});

test('a client of the store that does not read its answers costs little memory, and nobody else’s', async (t) => {
  const server = await startEmbedded();
  const good = new GrpcClient(server.endpoint);
  const value = Buffer.alloc(1 << 20, 'x');
  for (const key of ['a', 'b'])
    assert.equal(await good.status(METHODS.put, PutRequest.encode({ key: Buffer.from(key), value })), '0');
  const deaf = new GrpcClient(server.endpoint, 0);
  t.after(() => {
    deaf.close();
    good.close();
    return server.stop();
  });
  const range = PutRequest.encode({ key: Buffer.from('a'), value: Buffer.from('c') });
  const beforeMb = residentMb();
  for (let i = 0; i < 600; i++) deaf.send(METHODS.range, range);
  // The server has read all of them when it answers a ping behind them.
  await deaf.ping();
  assert.equal(await good.status(METHODS.range, range), '0');
  const grownMb = residentMb() - beforeMb;
  // 16 MB of answers, and what the runtime keeps of them; all of them would be 1,200 MB.
  assert.ok(grownMb < 200, `grew by ${grownMb} MB`);
});
