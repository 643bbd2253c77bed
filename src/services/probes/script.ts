import { spawn } from 'node:child_process';
import type { ActiveProbe, CheckResult } from '../check-result.ts';

/** As much of its words as is of interest. */
const MAX_OUTPUT_BYTES = 4096;

/** Runs the program in a process group of its own: when the time is over the whole group is killed. */
export function probeScript(
  { args, env }: Extract<ActiveProbe, { type: 'script' }>,
  signal: AbortSignal,
): Promise<CheckResult> {
  return new Promise((resolve, reject) => {
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
    const abort = () => {
      killGroup(child.pid);
      reject(signal.reason);
    };
    signal.addEventListener('abort', abort, { once: true });
    child.on('error', (error) => {
      signal.removeEventListener('abort', abort);
      reject(error);
    });
    child.on('exit', (code) => {
      signal.removeEventListener('abort', abort);
      const status = code === 0 ? 'passing' : code === 1 ? 'warning' : 'critical';
      // What the program leaves in the background may hold its output open: its own end is enough.
      setImmediate(() => resolve({ status, output: Buffer.concat(parts).toString('utf8').trimEnd() }));
    });
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
