import { writeFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { parseArgs } from 'node:util';
import { systemClock as clock, FlotillaError, type Log, ownUserOnly, systemRandom as random } from '../lib/index.ts';
import { startEmbeddedStore } from '../store/embedded/index.ts';

/**
 * `fleetd store --data-dir DIR --listen HOST:PORT [--own-user] [--ready FILE]`: serves the embedded store until told to stop.
 * With `--own-user` other users of this computer are refused. The
 * file is written with the process id once it serves: on the port alone somebody else might answer.
 */
export async function runStoreRole(args: readonly string[], log: Log): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      'data-dir': { type: 'string', default: '/var/lib/flotilla-store' },
      listen: { type: 'string', default: '127.0.0.1:2379' },
      ready: { type: 'string' },
      'own-user': { type: 'boolean', default: false },
    },
  });
  const [, host = '', port = ''] = /^\[?(.*?)\]?:(\d+)$/.exec(values.listen) ?? [];
  if (!isIP(host)) throw new FlotillaError('usage', `--listen: ${JSON.stringify(values.listen)} is not ADDRESS:PORT`);
  const store = await startEmbeddedStore({
    directory: values['data-dir'],
    host,
    port: Number(port),
    admitPeer: values['own-user'] ? ownUserOnly() : undefined,
    clock,
    random,
    log,
  });
  log.info('Embedded store serving', { endpoint: store.endpoint, directory: values['data-dir'], pid: process.pid });
  if (values.ready !== undefined) writeFileSync(values.ready, JSON.stringify({ pid: process.pid }));
  let isClosing = false;
  const close = () => {
    if (isClosing) return;
    isClosing = true;
    void store.close().then(() => process.exit(0));
  };
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, close);
}
