import { hostname } from 'node:os';
import { parseArgs } from 'node:util';
import { FlotillaError, type Log } from '../lib/index.ts';
import { runSupervisor } from '../runtime/supervisor/index.ts';

/** `fleetd supervisor --dir DIR --machine-id ID`: started by fleetd, ends by itself when nobody needs it any more. */
export async function runSupervisorRole(args: readonly string[], log: Log): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: { dir: { type: 'string' }, 'machine-id': { type: 'string' } },
  });
  if (!values.dir || !values['machine-id'])
    throw new FlotillaError('usage', 'fleetd supervisor needs --dir and --machine-id; fleetd itself starts it');
  const retire = new AbortController();
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => retire.abort());
  const ended = await runSupervisor({
    directory: values.dir,
    machineId: values['machine-id'],
    hostname: hostname(),
    log,
    signal: retire.signal,
  });
  log.info('Supervisor ends', { because: ended });
  process.exit(0);
}
