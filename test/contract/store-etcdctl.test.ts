import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { after, before, test } from 'node:test';
import { eventually, hasProgram, startEmbedded, type TestServer } from './store-servers.ts';

const PROGRAM = 'etcdctl';
const skip = hasProgram(PROGRAM) ? false : 'etcdctl is not installed (apt install etcd-client)';
let server: TestServer;
before(async () => {
  if (!skip) server = await startEmbedded();
});
after(() => server?.stop());

function spawnCtl(args: readonly string[]): ChildProcess {
  const env = { ...process.env, ETCDCTL_API: '3', ETCDCTL_ENDPOINTS: new URL(server.endpoint).host };
  return spawn(PROGRAM, args, { env, stdio: ['pipe', 'pipe', 'pipe'] });
}

/** Runs etcdctl; answers what it prints, or throws what it complains of. */
async function etcdctl(args: readonly string[], input = ''): Promise<string> {
  const child = spawnCtl(args);
  let [stdout, stderr] = ['', ''];
  child.stdout!.on('data', (chunk) => {
    stdout += chunk;
  });
  child.stderr!.on('data', (chunk) => {
    stderr += chunk;
  });
  child.stdin!.end(input);
  const [code] = await once(child, 'close');
  if (code !== 0) throw new Error(stderr);
  return stdout;
}

const run = (line: string, input?: string): Promise<string> => etcdctl(line.split(' '), input);

test('etcdctl reads and writes', { skip }, async () => {
  assert.equal(await run('put ctl/a one'), 'OK\n');
  assert.equal(await run('put ctl/b two'), 'OK\n');
  assert.equal(await run('get --prefix ctl/'), 'ctl/a\none\nctl/b\ntwo\n');
  const { header } = JSON.parse(await run('get ctl/a -w json')) as { header: { revision: number } };
  assert.equal(await run('put ctl/a uno --prev-kv'), 'OK\nctl/a\none\n');
  assert.equal(await run(`get ctl/a --rev ${header.revision}`), 'ctl/a\none\n');
  assert.equal(await run('get --prefix ctl/ --keys-only'), 'ctl/a\n\nctl/b\n\n');
  assert.equal(await run('get ctl/ --prefix --order DESCEND --sort-by VALUE --print-value-only'), 'uno\ntwo\n');
  assert.equal(await run('get --from-key ctl/b --limit 1'), 'ctl/b\ntwo\n');
  assert.match(await run('get --prefix ctl/ --limit 1 -w fields'), /"More" : true\n"Count" : 2/);
  assert.equal(await run('del ctl/b --prev-kv'), '1\nctl/b\ntwo\n');
  assert.equal(await run('del --prefix ctl/'), '1\n');
});

test('etcdctl makes transactions', { skip }, async () => {
  await run('put txn/a one');
  const input =
    'mod("txn/a") > "0"\nvalue("txn/a") = "one"\nver("txn/x") = "0"\n\nput txn/b ok\nget txn/b\n\nput txn/c no\n\n';
  assert.match(await run('txn -i', input), /SUCCESS\n\nOK\n\ntxn\/b\nok\n/);
  const failing = 'value("txn/a") != "one"\n\nput txn/c no\n\nget txn/a\ndel txn/a\n\n';
  assert.match(await run('txn -i', failing), /FAILURE\n\ntxn\/a\none\n\n1\n/);
  assert.equal(await run('get txn/c'), '');
});

test('etcdctl watches from the past on', { skip }, async () => {
  await run('put watch/a one');
  const { header } = JSON.parse(await run('get watch/a -w json')) as { header: { revision: number } };
  await run('put watch/a two');
  const child = spawnCtl(['watch', '--prefix', 'watch/', '--rev', String(header.revision), '--prev-kv']);
  let seen = '';
  child.stdout!.on('data', (chunk) => {
    seen += chunk;
  });
  await eventually(() => assert.equal(seen, 'PUT\nwatch/a\none\nPUT\nwatch/a\none\nwatch/a\ntwo\n'));
  await run('del watch/a');
  await eventually(() => assert.match(seen, /DELETE\nwatch\/a\ntwo\nwatch\/a\n\n$/));
  child.kill();
  await once(child, 'close');
});

test('etcdctl grants, keeps, shows and revokes leases', { skip }, async () => {
  const id = /lease (\w+) granted with TTL\(100s\)/.exec(await run('lease grant 100'))?.[1];
  await run(`put leased value --lease=${id}`);
  assert.match(
    await run(`lease timetolive ${id} --keys`),
    /granted with TTL\(100s\), remaining\(9\ds\), attached keys\(\[leased\]\)/,
  );
  assert.match(await run(`lease keep-alive --once ${id}`), /keepalived with TTL\(100\)/);
  assert.match(await run('lease list'), new RegExp(`found 1 leases\n${id}`));
  assert.match(await run(`lease revoke ${id}`), /revoked/);
  assert.equal(await run('get leased'), '');
  await assert.rejects(run(`lease revoke ${id}`), /requested lease not found/);
  assert.match(await run(`lease timetolive ${id}`), /already expired/);
});

test('etcdctl compacts, and is told what is gone', { skip }, async () => {
  for (const value of ['one', 'two', 'three']) await run(`put compact ${value}`);
  const { header } = JSON.parse(await run('get compact -w json')) as { header: { revision: number } };
  assert.equal(await run(`compact ${header.revision} --physical`), `compacted revision ${header.revision}\n`);
  await assert.rejects(run(`get compact --rev ${header.revision - 1}`), /required revision has been compacted/);
  await assert.rejects(run(`watch compact --rev ${header.revision - 1}`), /required revision has been compacted/);
  await assert.rejects(run(`get compact --rev ${header.revision + 9}`), /required revision is a future revision/);
});

test('etcdctl asks for status, members, health and alarms', { skip }, async () => {
  assert.match(await run('endpoint status -w fields'), /"Version" : "3\.5\.\d+"[\s\S]*"DBSize" : \d+/);
  assert.match(await run('member list'), new RegExp(`started, embedded, , ${server.endpoint}, false`));
  assert.equal(await run('alarm list'), '');
  await etcdctl(['endpoint', 'health']);
  await assert.rejects(run('user list'), /does not have the method/);
});
