import { spawn } from 'node:child_process';
import { addAbortListener, once } from 'node:events';
import { createInterface } from 'node:readline';
import { FlotillaError, messageOf } from '../../lib/index.ts';

/** Runs a program to its end and returns all its output as a terminal would show it. */
export async function runProgram(
  command: string,
  args: readonly string[],
): Promise<{ readonly text: string; readonly exitCode: number }> {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  const chunks: Buffer[] = [];
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => chunks.push(chunk));
  try {
    const [code] = (await once(child, 'close')) as [number | null];
    return { text: Buffer.concat(chunks).toString(), exitCode: code ?? 1 };
  } catch (error) {
    throw notRun(command, error);
  }
}

/**
 * Yields the lines that a program prints. Ends the program when the consumer leaves or the signal aborts; throws its
 * stderr when it fails by itself.
 */
export async function* linesOfProgram(
  command: string,
  args: readonly string[],
  signal: AbortSignal,
): AsyncGenerator<string> {
  if (signal.aborted) return;
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  const ended = once(child, 'close') as Promise<[number | null]>;
  ended.catch(() => {});
  let complaint = '';
  child.stderr.on('data', (chunk: Buffer) => {
    complaint = `${complaint}${chunk}`.slice(0, 2000);
  });
  const kill = () => child.kill('SIGKILL');
  using _killing = addAbortListener(signal, kill);
  try {
    yield* createInterface({ input: child.stdout, crlfDelay: Number.POSITIVE_INFINITY });
    const [code] = await ended;
    if (code !== 0 && !signal.aborted) {
      const reason = complaint.trim() || `${command} ended with status ${code}`;
      throw new FlotillaError('invalid', reason, { command });
    }
  } catch (error) {
    throw notRun(command, error);
  } finally {
    kill();
  }
}

function notRun(command: string, error: unknown): Error {
  if (error instanceof FlotillaError) return error;
  return new FlotillaError('internal', `${command} cannot be run: ${messageOf(error)}`, { command }, error);
}
