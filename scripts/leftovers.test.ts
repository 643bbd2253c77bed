import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { isRunning, isZombie, readStat } from '../src/lib/index.ts';
import { kill, TestProcesses } from './leftovers.ts';
import { root } from './run-tests.ts';

test('processes that a test file leaves running are killed, named, and failures of that file', () => {
  const { stdout, status } = runTestFile("spawn('sh', ['-c', 'env -i sleep 1000 & exec sleep 2000'], options).unref()");
  const left = [...stdout.matchAll(/leaves\.test\.ts left process (\d+): (sleep [12]000)$/gm)];
  assert.deepEqual(left.map(([, , command]) => command).sort(), ['sleep 1000', 'sleep 2000'], stdout);
  for (const [, pid] of left) {
    const stat = readStat(Number(pid));
    assert.ok(stat === undefined || isZombie(stat), `process ${pid} is still there`);
  }
  assert.match(stdout, /\n1 passed, 1 failed\n$/);
  assert.equal(status, 1);
});

test('a process that cannot be found does not hold the run by the output of its test file', () => {
  const { stdout, status } = runTestFile("spawnSync('sh', ['-c', 'env -i sleep 1000 & echo $!'], options)");
  try {
    assert.match(stdout, /leaves\.test\.ts left a?\s?process/);
    assert.match(stdout, /\n1 passed, 1 failed\n$/);
    assert.equal(status, 1);
  } finally {
    const orphan = /^ *(\d+)$/m.exec(stdout)?.[1];
    if (orphan !== undefined) kill(Number(orphan));
  }
});

test('an orphan with an environment of its own belongs to the file of its dead parent, and nothing of another file does', async () => {
  const processes = new TestProcesses();
  const begin = (file: string, script: string) => {
    return spawn('sh', ['-c', script], { env: processes.environmentFor(file), stdio: 'ignore' });
  };
  const parent = begin('a.test.ts', 'env -i sleep 3000 & wait');
  const other = begin('b.test.ts', 'exec sleep 4000');
  try {
    await until(() => childrenOf(parent.pid!).length === 1 && commandOf(childrenOf(parent.pid!)[0]!) === 'sleep 3000');
    processes.look();
    const orphan = readStat(childrenOf(parent.pid!)[0]!)!;
    parent.kill('SIGKILL');
    await until(() => readStat(orphan.pid)?.ppid !== parent.pid);
    assert.deepEqual(await processes.end('a.test.ts'), [`process ${orphan.pid}: sleep 3000`]);
    assert.ok(!isRunning(orphan));
    const left = processes.of('b.test.ts');
    assert.deepEqual(
      left.map(({ pid }) => pid),
      [other.pid],
    );
  } finally {
    parent.kill('SIGKILL');
    other.kill('SIGKILL');
  }
});

/** Runs a test file whose one test evaluates the expression and passes. */
function runTestFile(expression: string): { readonly stdout: string; readonly status: number | null } {
  const folder = mkdtempSync(path.join(tmpdir(), 'fl-tests-'));
  try {
    const file = path.join(folder, 'leaves.test.ts');
    writeFileSync(
      file,
      `import { spawn, spawnSync } from 'node:child_process';
       import { test } from 'node:test';
       const options = { detached: true, stdio: 'inherit' };
       test('well', () => void ${expression});`,
    );
    return spawnSync(process.execPath, ['scripts/test.ts', path.relative(root, file)], {
      cwd: root,
      encoding: 'utf8',
      env: { ...process.env, CI: '', NODE_TEST_CONTEXT: undefined },
      timeout: 60_000,
    });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function childrenOf(pid: number): number[] {
  return (readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').match(/\d+/g) ?? []).map(Number);
}

function commandOf(pid: number): string {
  return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim();
}

async function until(holds: () => boolean): Promise<void> {
  for (const deadline = performance.now() + 30_000; !holds(); await sleep(10))
    assert.ok(performance.now() < deadline, 'it did not happen within 30 s');
}
