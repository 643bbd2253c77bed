import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const SCRIPT = fileURLToPath(import.meta.resolve('./store-process.ts'));

/** An embedded store in a process of its own, to be killed. */
export interface ChildStore {
  readonly endpoint: string;
  readonly port: number;
  readonly pid: number;
  /** All that it has logged so far. */
  said(): string;
  kill(signal?: NodeJS.Signals): Promise<void>;
}

/** What a child says when it does not start. */
export interface ChildFailure {
  readonly exitCode: number | null;
  readonly stderr: string;
}

/** Starts a child; `limits` go to the shell's ulimit first. */
export async function startChild(directory: string, port = 0, limits = ''): Promise<ChildStore> {
  const started = await tryStartChild(directory, port, limits);
  if ('stderr' in started) throw new Error(`the store did not start: ${started.stderr}`);
  return started;
}

export async function tryStartChild(directory: string, port = 0, limits = ''): Promise<ChildStore | ChildFailure> {
  const shell = `${limits === '' ? '' : `ulimit ${limits}; `}exec "$@"`;
  const args = ['-c', shell, 'sh', process.execPath, SCRIPT, directory, String(port)];
  const child = spawn('sh', args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let stderr = '';
  child.stderr.on('data', (chunk) => {
    stderr += chunk;
  });
  const exited = once(child, 'close');
  const line = once(createInterface(child.stdout), 'line');
  const first = await Promise.race([line, exited.then(() => undefined)]);
  if (!first) return { exitCode: child.exitCode, stderr };
  const endpoint = String(first[0]);
  return {
    endpoint,
    port: Number(new URL(endpoint).port),
    pid: child.pid!,
    said: () => stderr,
    kill: (signal = 'SIGKILL') => kill(child, exited, signal),
  };
}

async function kill(child: ChildProcess, exited: Promise<unknown>, signal: NodeJS.Signals): Promise<void> {
  child.kill(signal);
  await exited;
}
