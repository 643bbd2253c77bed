import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';

export interface Ran {
  readonly stdout: string;
  readonly stderr: string;
  readonly status: number;
}

/** Runs a command to its end; rejects only when it cannot be run or takes longer than `timeoutMs`. */
export async function run(command: string, args: readonly string[], timeoutMs = 60_000): Promise<Ran> {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], timeout: timeoutMs, killSignal: 'SIGKILL' });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk) => {
    stdout += chunk;
  });
  child.stderr.on('data', (chunk) => {
    stderr += chunk;
  });
  const [code, signal] = (await once(child, 'close')) as [number | null, string | null];
  if (code === null) throw new Error(`${[command, ...args].join(' ')}: ended by ${signal}\n${stdout}${stderr}`);
  return { stdout, stderr, status: code };
}

/** Runs a command that must succeed, and answers its output. */
export async function ok(command: string, args: readonly string[], timeoutMs?: number): Promise<string> {
  const { stdout, stderr, status } = await run(command, args, timeoutMs);
  if (status !== 0) throw new Error(`${[command, ...args].join(' ')}: status ${status}\n${stdout}${stderr}`);
  return stdout;
}

/** True when a program of that name can be run here. */
export function hasProgram(name: string): boolean {
  return spawnSync('sh', ['-c', `command -v ${name}`]).status === 0;
}
