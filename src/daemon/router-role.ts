import { parseArgs } from 'node:util';
import { systemClock as clock, FlotillaError, type Log } from '../lib/index.ts';
import { runRouter, type ToRouter } from '../router/index.ts';

/** `fleetd router --dir DIR`: started by fleetd, which controls it over Node's IPC channel. */
export async function runRouterRole(args: readonly string[], log: Log): Promise<void> {
  const { values } = parseArgs({ args: [...args], options: { dir: { type: 'string' } } });
  if (!values.dir || process.send === undefined)
    throw new FlotillaError('usage', 'fleetd router is started by fleetd itself, and needs --dir');
  const retire = new AbortController();
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => retire.abort());
  const ended = await runRouter({
    directory: values.dir,
    retire: retire.signal,
    clock,
    log,
    channel: {
      send: (message) => {
        if (process.connected) process.send!(message);
      },
      onMessage: (listener) => process.on('message', (message) => listener(message as ToRouter)),
      onClosed: (listener) => process.on('disconnect', listener),
    },
  });
  log.info('Router ends', { because: ended });
  process.exit(0);
}
