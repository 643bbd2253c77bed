#!/usr/bin/env node
/**
 * fleetd: one program, four roles. Without a role it is the daemon of a machine; `fleetd store` serves the embedded
 * store; `fleetd supervisor` and `fleetd router` are started by fleetd itself: the first where there is no systemd, the
 * second where HTTP is routed.
 */
import './begin-process.ts';
import { parseArgs } from 'node:util';
import { createLog, FlotillaError, type Log, messageOf, rowOf, systemClock, VERSION } from '../lib/index.ts';
import { loadConfig } from './config.ts';
import type { Fleetd } from './fleetd.ts';
import { helpText } from './help-text.ts';
import { openServiceNotifier, type ServiceNotifier } from './service-notifier.ts';

const ROLES: Readonly<Record<string, (args: readonly string[]) => Promise<void>>> = {
  store: async (args) => (await import('./store-role.ts')).runStoreRole(args, openLog(0)),
  supervisor: async (args) => (await import('./supervisor-role.ts')).runSupervisorRole(args, openLog(0)),
  router: async (args) => (await import('./router-role.ts')).runRouterRole(args, openLog(0)),
};

async function main(argv: readonly string[]): Promise<void> {
  const role = rowOf(ROLES, argv[0]);
  if (role) return role(argv.slice(1));
  const { values } = parseArgs({
    // fleet took long flags with one dash as well, and the version without any.
    args: argv[0] === 'version' ? ['--version'] : argv.map((arg) => arg.replace(/^-(?=[a-z]{2})/, '--')),
    options: {
      config: { type: 'string' },
      version: { type: 'boolean', short: 'v' },
      help: { type: 'boolean', short: 'h' },
    },
  });
  if (values.version) return print(`fleetd version ${VERSION}`);
  if (values.help) return print(helpText());
  await runDaemon(values.config);
}

async function runDaemon(file: string | undefined): Promise<void> {
  const { startFleetd } = await import('./fleetd.ts');
  const loaded = loadConfig(file, process.env);
  const { config } = loaded;
  const log = openLog(config.verbosity);
  tell(loaded, log);
  for (const notice of loaded.ignored) log.info('Configuration', { notice });
  log.info('Starting fleetd', { version: VERSION, pid: process.pid });
  const { env, pid, execPath, argv } = process;
  const notifier = openServiceNotifier({ env, pid, clock: systemClock, log });
  // Not with the flags that Node was given for fleetd (see bin/fleetd): a router is the faster for more memory.
  const self = { command: execPath, args: ['--disable-sigusr1', argv[1]!] };
  // systemd starts it again; what it holds of the old id is another machine's.
  const onAnotherId = () => fail(new FlotillaError('conflict', 'this machine has another id now: start fleetd again'));
  const leaving = new AbortController();
  const options = { config, env, pid, self, log, notifier, leaving: leaving.signal, onAnotherId };
  const starting = startFleetd(options);
  // From the first moment on: a signal that came earlier would end the process, and with it nothing in good order.
  obeySignals({ file, starting, leaving, notifier, log });
  await starting;
  notifier.ready();
}

function tell({ notices }: { readonly notices: readonly string[] }, log: Log): void {
  for (const notice of notices) log.warn('Configuration', { notice });
}

interface Signalled {
  readonly file: string | undefined;
  readonly starting: Promise<Fleetd>;
  readonly leaving: AbortController;
  readonly notifier: ServiceNotifier;
  readonly log: Log;
}

function obeySignals({ file, starting, leaving, notifier, log }: Signalled): void {
  // That it could not start is told by whoever started it.
  const whenStarted = (act: (fleetd: Fleetd) => void) => void starting.then(act, () => {});
  const reload = (fleetd: Fleetd) => {
    log.info('Reloading configuration');
    notifier.reloading();
    try {
      const loaded = loadConfig(file, process.env);
      tell(loaded, log);
      fleetd.reload(loaded.config);
    } catch (error) {
      log.error('Configuration not reloaded', { error: messageOf(error) });
    }
    notifier.ready();
  };
  const stop = async (fleetd: Fleetd) => {
    await Promise.all([notifier.stopping(), fleetd.stop()]);
    process.exit(0);
  };
  let stopping = false;
  process.on('SIGHUP', () => whenStarted(reload));
  process.on('SIGUSR1', () => whenStarted((fleetd) => print(JSON.stringify(fleetd.dump()))));
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.on(signal, () => {
      if (stopping) return;
      stopping = true;
      log.info('Stopping fleetd', { signal });
      leaving.abort();
      whenStarted((fleetd) => void stop(fleetd).catch(fail));
    });
  }
}

function openLog(verbosity: number): Log {
  // The journal stamps lines itself.
  const stamp = process.env['JOURNAL_STREAM'] ? () => '' : () => `${new Date(systemClock.now()).toISOString()} `;
  return createLog((line) => process.stderr.write(`${stamp()}${line}\n`), verbosity > 0 ? 'debug' : 'info');
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

/** What Node says of a flag, as one sentence that says where to look. */
function flagMistake(message: string): string {
  const [first] = message.split('\n');
  const sentence = first!.replace(/\. (To specify|This command|Did you).*$/, '').replace(/\.$/, '');
  return `${sentence[0]!.toLowerCase()}${sentence.slice(1)}: fleetd --help shows how it is used`;
}

/** A user's mistake is one sentence; anything else is a bug and shows where. */
function fail(error: unknown): never {
  const usage = error instanceof FlotillaError || (error as NodeJS.ErrnoException)?.code?.startsWith('ERR_PARSE_ARGS');
  const mistake = usage && !(error instanceof FlotillaError) ? flagMistake(messageOf(error)) : messageOf(error);
  process.stderr.write(`fleetd: ${usage ? mistake : error instanceof Error ? error.stack : String(error)}\n`);
  process.exit(1);
}

// A log that cannot be written, because its disk is full or its reader has gone, must not end what it tells of.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {});
main(process.argv.slice(2)).catch(fail);
