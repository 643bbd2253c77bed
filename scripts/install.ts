/** Puts Flotilla on a machine with systemd: programs, units and a first configuration; or takes it away again. */
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  existsSync,
  globSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';

const root = path.resolve(import.meta.dirname, '..');
const PREFIX = '/opt/flotilla';
const LINKS = '/usr/local/bin';
const UNITS = '/etc/systemd/system';
const CONFIG = '/etc/fleet/fleet.conf';
/** Units that are started at boot. */
const ENABLED: readonly string[] = ['fleet.socket', 'fleetd.service'];
const PROGRAMS: readonly string[] = ['fleetctl', 'fleetd'];
/** The bundles need it beside them; nothing else of node_modules. */
const PACKAGE = 'lmdb';
const START_LIMIT_MS = 30_000;

const HELP = `Installs Flotilla on this machine, or brings it up to date: run as root from a clone that is built.

  scripts/install.sh [--prefix DIR]               programs to DIR [${PREFIX}], links to them in ${LINKS},
                                                  units in ${UNITS}, ${CONFIG} unless it exists
  scripts/install.sh [--prefix DIR] --uninstall   stops fleetd and its units, and removes all that but ${path.dirname(CONFIG)}

A fleetd that runs is started anew, and its units run on.`;

/** What is wrong, in words for whoever installs. */
class Refusal extends Error {}

const say = (text: string): void => void process.stdout.write(`${text}\n`);
const systemctl = (...args: readonly string[]): string =>
  execFileSync('systemctl', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] }).trim();
/** Names of the units that init/ holds. */
const unitNames = (): string[] => globSync('*.{service,socket,path}', { cwd: path.join(root, 'init') }).sort();

function assertPossible(prefix: string): void {
  if (process.getuid?.() !== 0) throw new Refusal('only root may install: run it with sudo');
  if (!existsSync('/run/systemd/system')) throw new Refusal('this machine is not run by systemd');
  if (!path.isAbsolute(prefix)) throw new Refusal(`--prefix ${prefix}: must be an absolute path`);
  const foreign = existsSync(prefix) && !existsSync(path.join(prefix, 'dist/fleetd.cjs'));
  if (foreign && globSync('*', { cwd: prefix }).length > 0)
    throw new Refusal(`--prefix ${prefix}: there is something else than Flotilla`);
  if (path.resolve(prefix) === root)
    throw new Refusal(`--prefix ${prefix}: that is this clone; choose another directory`);
}

/** A package and all it needs, as far as it is installed. */
function withDependencies(name: string, found: Set<string> = new Set()): Set<string> {
  const file = path.join(root, 'node_modules', name, 'package.json');
  if (found.has(name) || !existsSync(file)) return found;
  found.add(name);
  const { dependencies = {}, optionalDependencies = {} } = JSON.parse(readFileSync(file, 'utf8'));
  for (const needed of Object.keys({ ...dependencies, ...optionalDependencies })) withDependencies(needed, found);
  return found;
}

/** Lays everything out beside the prefix and then swaps it in: nobody ever sees half of it. */
function installPrograms(prefix: string): void {
  const [fresh, old] = [`${prefix}.new`, `${prefix}.old`];
  for (const leftover of [fresh, old]) rmSync(leftover, { recursive: true, force: true });
  for (const directory of ['bin', 'dist']) mkdirSync(path.join(fresh, directory), { recursive: true });
  cpSync(process.execPath, path.join(fresh, 'bin/node'), { dereference: true });
  for (const file of globSync('*.cjs', { cwd: path.join(root, 'dist') }))
    cpSync(path.join(root, 'dist', file), path.join(fresh, 'dist', file));
  for (const name of withDependencies(PACKAGE))
    cpSync(path.join(root, 'node_modules', name), path.join(fresh, 'node_modules', name), { recursive: true });
  for (const name of PROGRAMS) {
    const file = path.join(fresh, 'bin', name);
    writeFileSync(file, `#!/bin/sh\nexec ${prefix}/bin/node ${prefix}/dist/${name}.cjs "$@"\n`);
    chmodSync(file, 0o755);
  }
  cpSync(path.join(root, 'bin/fleetd-guard'), path.join(fresh, 'bin/fleetd-guard'));
  if (existsSync(prefix)) renameSync(prefix, old);
  renameSync(fresh, prefix);
  rmSync(old, { recursive: true, force: true });
}

function linkPrograms(prefix: string): void {
  mkdirSync(LINKS, { recursive: true });
  for (const name of PROGRAMS) {
    const link = path.join(LINKS, name);
    rmSync(link, { force: true });
    symlinkSync(path.join(prefix, 'bin', name), link);
  }
}

function installUnits(prefix: string): void {
  for (const name of unitNames()) {
    const text = readFileSync(path.join(root, 'init', name), 'utf8').replaceAll(PREFIX, prefix);
    writeFileSync(path.join(UNITS, name), text);
  }
}

function installConfig(): void {
  if (existsSync(CONFIG)) return;
  mkdirSync(path.dirname(CONFIG), { recursive: true });
  cpSync(path.join(root, 'init/fleet.conf'), CONFIG);
}

async function install(prefix: string): Promise<void> {
  const isNew = !existsSync(path.join(UNITS, 'fleetd.service'));
  installPrograms(prefix);
  linkPrograms(prefix);
  installUnits(prefix);
  installConfig();
  systemctl('daemon-reload');
  // Later on, what is enabled is the administrator's choice.
  if (isNew) systemctl('--quiet', 'enable', ...ENABLED);
  const restarted = await restartInPlace();
  say(`Flotilla is installed in ${prefix}.`);
  if (restarted) say('fleetd was started anew; its units ran on.');
  else say(`Next: set etcd_servers in ${CONFIG}, then run: systemctl start fleetd`);
}

/** A fleetd that is killed leaves its units running, and systemd starts the new one, which adopts them. */
async function restartInPlace(): Promise<boolean> {
  const state = () => systemctl('show', '--property=MainPID,ActiveState', '--value', 'fleetd.service').split('\n');
  const before = state();
  if (!before.includes('active')) return false;
  systemctl('kill', '--kill-who=main', '--signal=KILL', 'fleetd.service');
  const deadline = performance.now() + START_LIMIT_MS;
  for (let now = before; !now.includes('active') || now.join() === before.join(); now = state()) {
    if (performance.now() > deadline)
      throw new Refusal('the new fleetd does not start: see `journalctl -u fleetd`; its units run on');
    await sleep(100);
  }
  return true;
}

function uninstall(prefix: string): void {
  const units = unitNames().filter((name) => existsSync(path.join(UNITS, name)));
  if (units.length > 0) systemctl('--quiet', 'disable', ...ENABLED);
  if (units.length > 0) systemctl('stop', ...units);
  for (const name of units) rmSync(path.join(UNITS, name));
  systemctl('daemon-reload');
  for (const name of PROGRAMS) {
    const link = path.join(LINKS, name);
    const isLink = lstatSync(link, { throwIfNoEntry: false })?.isSymbolicLink();
    if (isLink && readlinkSync(link) === path.join(prefix, 'bin', name)) rmSync(link);
  }
  rmSync(prefix, { recursive: true, force: true });
  say(`Flotilla is removed; ${path.dirname(CONFIG)} and /var/lib/fleet are left.`);
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      prefix: { type: 'string', default: PREFIX },
      uninstall: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) return say(HELP);
  assertPossible(values.prefix);
  if (values.uninstall) uninstall(values.prefix);
  else await install(values.prefix);
}

try {
  await main();
} catch (error) {
  const { code } = error as NodeJS.ErrnoException;
  if (!(error instanceof Refusal) && !code?.startsWith('ERR_PARSE_ARGS')) throw error;
  process.stderr.write(`install: ${(error as Error).message}\n`);
  process.exitCode = 1;
}
