import { spawn } from 'node:child_process';
import { within } from '../../lib/index.ts';
import type { ActiveProbe, CheckResult } from '../check-result.ts';

/** The most bytes that are kept of its output. */
const MAX_OUTPUT_BYTES = 4096;

/** Runs the program in a process group of its own: when the time is over the whole group is killed. */
export function probeScript(
  { args, env }: Extract<ActiveProbe, { type: 'script' }>,
  signal: AbortSignal,
): Promise<CheckResult> {
  return within(signal, (resolve, reject) => {
    const [command = '', ...rest] = args;
    const child = spawn(command, rest, { env: { PATH, ...env }, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
    const parts: Buffer[] = [];
    let bytes = 0;
    const take = (part: Buffer) => {
      if (bytes < MAX_OUTPUT_BYTES) parts.push(part);
      bytes += part.byteLength;
    };
    child.stdout.on('data', take);
    child.stderr.on('data', take);
    child.on('error', reject);
    child.on('exit', (code) => {
      const status = code === 0 ? 'passing' : code === 1 ? 'warning' : 'critical';
      // Do not wait for the end of its output: a process left in the background may hold it open.
      setImmediate(() => resolve({ status, output: Buffer.concat(parts).toString('utf8').trimEnd() }));
    });
    return () => {
      if (child.exitCode === null && child.signalCode === null) killGroup(child.pid);
    };
  });
}

const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

function killGroup(pid: number | undefined): void {
  try {
    if (pid !== undefined) process.kill(-pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
