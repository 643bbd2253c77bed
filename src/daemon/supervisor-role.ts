import { hostname } from 'node:os';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { FlotillaError, type Log, readStateFile } from '../lib/index.ts';
import { runSupervisor } from '../runtime/supervisor/index.ts';
import { bootId } from './machine.ts';
import { type PromiseLine, parsePromiseLine } from './promise-line.ts';

/**
 * `fleetd supervisor --dir DIR --machine-id ID --promise FILE`: started by fleetd, ends by itself when nobody needs it any
 * more. FILE holds what fleetd has promised for units with OnPartition=stop.
 */
export async function runSupervisorRole(args: readonly string[], log: Log): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: { dir: { type: 'string' }, 'machine-id': { type: 'string' }, promise: { type: 'string' } },
  });
  const { dir, 'machine-id': machineId, promise } = values;
  if (!dir || !machineId || !promise) {
    const message = 'fleetd supervisor needs --dir, --machine-id and --promise; fleetd itself starts it';
    throw new FlotillaError('usage', message);
  }
  // The supervisor changes its directory.
  const promiseFile = resolve(promise);
  const retire = new AbortController();
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => retire.abort());
  const ended = await runSupervisor({
    directory: dir,
    machineId,
    hostname: hostname(),
    log,
    signal: retire.signal,
    promised: () => readPromise(promiseFile),
  });
  log.info('Supervisor ends', { because: ended });
  process.exit(0);
}

/** What an earlier boot has promised was kept by its end. */
function readPromise(file: string): PromiseLine | undefined {
  let text: string;
  try {
    text = readStateFile(file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  const line = parsePromiseLine(text);
  if (!line) throw new Error(`${file} is damaged`);
  return line.boot === bootId() ? line : undefined;
}
