import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { isRunning, systemRandom as random, readStat } from '../../lib/index.ts';
import { powerOff } from './power-off.ts';
import { SupervisorDirectory } from './state-directory.ts';
import { newMemory } from './units/index.ts';

const INVOCATION = 'f00dfeedf00dfeedf00dfeedf00dfeed';
const ROUNDS = 25;
/** Has the lock as a child of the supervisor has it, until it becomes the program of a unit. */
const SPAWNED = String.raw`
use Socket;
my $lock;
socket($lock, AF_UNIX, SOCK_STREAM, 0) && bind($lock, pack_sockaddr_un("\0$ARGV[0]")) && listen($lock, 5) or die $!;
$| = 1; print "$$\n";
select(undef, undef, undef, $ARGV[1]);
$ENV{INVOCATION_ID} = $ARGV[2];
exec 'sleep', '1000';
`;

test('a process that is being spawned while the power goes is killed as well', { timeout: 60_000 }, async (t) => {
  const directory = new SupervisorDirectory(realpathSync(mkdtempSync(path.join(tmpdir(), 'supervisor-'))));
  t.after(() => rmSync(directory.path, { recursive: true, force: true }));
  for (let round = 0; round < ROUNDS; round++) {
    directory.open();
    directory.writeUnitFile('a.service', '[Service]\nExecStart=/bin/sleep 1000\n');
    directory.writeMemory({ ...newMemory('a.service', 'hash'), invocationId: INVOCATION });
    const [name] = directory.lockNames(random);
    const delay = String(0.02 + round / 1000);
    // As the supervisor's children are: no child of this process, and in a session of its own, all of which is killed.
    const args = ['-c', 'perl -e "$@" &', 'sh', SPAWNED, name!, delay, INVOCATION];
    const shell = spawn('sh', args, { stdio: ['ignore', 'pipe', 'inherit'], detached: true });
    const [printed] = (await once(shell.stdout, 'data')) as [Buffer];
    const { pid, startTime } = readStat(Number(printed))!;
    t.after(() => isRunning({ pid, startTime }) && process.kill(pid, 'SIGKILL'));
    await powerOff({ directory: directory.path });
    assert.ok(!isRunning({ pid, startTime }), `round ${round}`);
  }
});
