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
    // fleet accepted long flags with a single dash, and `version` without any.
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
  // Without the flags that bin/fleetd gives Node for fleetd: a router is faster with more memory.
  const self = { command: execPath, args: ['--disable-sigusr1', argv[1]!] };
  // systemd starts it again; everything it holds under the old id belongs to another machine.
  const onAnotherId = () => fail(new FlotillaError('conflict', 'this machine has another id now: start fleetd again'));
  const leaving = new AbortController();
  const options = { config, env, pid, self, log, notifier, leaving: leaving.signal, onAnotherId };
  const starting = startFleetd(options);
  // Before anything else: an earlier signal would end the process without a clean stop.
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
  // A failed start is reported by the caller of startFleetd.
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
  // The journal adds the time itself.
  const stamp = process.env['JOURNAL_STREAM'] ? () => '' : () => `${new Date(systemClock.now()).toISOString()} `;
  return createLog((line) => process.stderr.write(`${stamp()}${line}\n`), verbosity > 0 ? 'debug' : 'info');
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

/** Rewrites Node's complaint about a flag as one sentence that says where to look. */
function flagMistake(message: string): string {
  const [first] = message.split('\n');
  const sentence = first!.replace(/\. (To specify|This command|Did you).*$/, '').replace(/\.$/, '');
  return `${sentence[0]!.toLowerCase()}${sentence.slice(1)}: fleetd --help shows how it is used`;
}

/** Prints a user's mistake as one sentence; any other error is a bug and prints its stack. */
function fail(error: unknown): never {
  const usage = error instanceof FlotillaError || (error as NodeJS.ErrnoException)?.code?.startsWith('ERR_PARSE_ARGS');
  const mistake = usage && !(error instanceof FlotillaError) ? flagMistake(messageOf(error)) : messageOf(error);
  process.stderr.write(`fleetd: ${usage ? mistake : error instanceof Error ? error.stack : String(error)}\n`);
  process.exit(1);
}

// A log that cannot be written, because its disk is full or its reader has gone, must not end the process.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {});
main(process.argv.slice(2)).catch(fail);
