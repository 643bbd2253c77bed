/** Puts Flotilla on a machine with systemd: programs, units and a first configuration; or takes it away again. */
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  globSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmdirSync,
  rmSync,
  statSync,
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
const SOCKET = '/run/fleet.sock';
/** Its members may use the API's socket, and so run anything as root: nobody is put into it. */
const GROUP = 'fleet';
/** The port for the other machines, as the README has it written. */
const TCP_DROP_IN = path.join(UNITS, 'fleet.socket.d/tcp.conf');
/** Set by the router while it runs as root. */
const SYSCTL = 'net/ipv4/tcp_migrate_req';
/** Units that are started at boot. */
const ENABLED: readonly string[] = ['fleet.socket', 'fleetd.service'];
const PROGRAMS: readonly string[] = ['fleetctl', 'fleetd'];
/** How Node is called for each; see bin/fleetd for why. */
const LAUNCH: Readonly<Record<string, string>> = {
  fleetctl: 'bin/node --disable-sigusr1',
  fleetd: 'dist/fleetd --inspect-port=192.0.2.1:9229 --max-semi-space-size=2',
};
/** The bundles need it beside them; nothing else of node_modules. */
const PACKAGE = 'lmdb';
const START_LIMIT_MS = 30_000;

const HELP = `Installs Flotilla on this machine, or brings it up to date: run as root from a clone that is built.

  scripts/install.sh [--prefix DIR]               programs to DIR [${PREFIX}], links to them in ${LINKS},
                                                  units in ${UNITS}, ${CONFIG} unless it exists
  scripts/install.sh [--prefix DIR] --uninstall   stops fleetd and its units, and removes all that but ${path.dirname(CONFIG)},
                                                  /var/lib/fleet, the group ${GROUP} and drop-ins of yours
  scripts/install.sh [--prefix DIR] --purge       the same, and removes these as well

The group ${GROUP} may use ${SOCKET}, which is as good as root. A fleetd that runs is started anew, and its units run on.`;

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
  symlinkSync('../bin/node', path.join(fresh, 'dist/fleetd'));
  for (const file of globSync('*.cjs', { cwd: path.join(root, 'dist') }))
    cpSync(path.join(root, 'dist', file), path.join(fresh, 'dist', file));
  for (const name of withDependencies(PACKAGE))
    cpSync(path.join(root, 'node_modules', name), path.join(fresh, 'node_modules', name), { recursive: true });
  for (const name of PROGRAMS) {
    const file = path.join(fresh, 'bin', name);
    writeFileSync(file, `#!/bin/sh\nexec ${prefix}/${LAUNCH[name]} ${prefix}/dist/${name}.cjs "$@"\n`);
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

/** It may hold a password: never for all to read, an older one neither. */
function installConfig(): void {
  mkdirSync(path.dirname(CONFIG), { recursive: true });
  if (!existsSync(CONFIG)) writeFileSync(CONFIG, readFileSync(path.join(root, 'init/fleet.conf')), { mode: 0o640 });
  chmodSync(CONFIG, statSync(CONFIG).mode & 0o7740);
}

function groupId(): number | undefined {
  const line = readFileSync('/etc/group', 'utf8')
    .split('\n')
    .find((each) => each.startsWith(`${GROUP}:`));
  return line === undefined ? undefined : Number(line.split(':')[2]);
}

function installGroup(): void {
  if (groupId() === undefined)
    execFileSync('groupadd', ['--system', GROUP], { stdio: ['ignore', 'ignore', 'inherit'] });
}

/**
 * A socket that is open already keeps the mode it was made with, 0666 of an earlier version: gives it what the unit and
 * its drop-ins say now, without a moment in which nobody listens.
 */
function adjustSocket(): void {
  if (!existsSync(SOCKET)) return;
  const said = systemctl('show', '--property=SocketMode,SocketGroup', 'fleet.socket').split('\n');
  const saidOf = (name: string) => said.find((line) => line.startsWith(`${name}=`))?.slice(name.length + 1) ?? '';
  if (saidOf('SocketGroup') === GROUP) chownSync(SOCKET, statSync(SOCKET).uid, groupId()!);
  if (saidOf('SocketMode') !== '') chmodSync(SOCKET, Number.parseInt(saidOf('SocketMode'), 8));
}

async function install(prefix: string): Promise<void> {
  const isNew = !existsSync(path.join(UNITS, 'fleetd.service'));
  installPrograms(prefix);
  linkPrograms(prefix);
  installGroup();
  installUnits(prefix);
  installConfig();
  systemctl('daemon-reload');
  adjustSocket();
  // Later on, what is enabled is the administrator's choice.
  if (isNew) systemctl('--quiet', 'enable', ...ENABLED);
  const restarted = await restartInPlace();
  say(`Flotilla is installed in ${prefix}.`);
  if (restarted) say('fleetd was started anew; its units ran on.');
  else say(`Next: set etcd_servers in ${CONFIG}, then run: systemctl start fleetd`);
  say(`Root and the group ${GROUP} may use fleetctl here; to let a user: usermod -aG ${GROUP} USER (as good as root)`);
  const kept = dropIns();
  if (isNew && kept.length > 0) say(`Drop-ins that were here before apply: ${kept.join(', ')}`);
}

/** Files that an administrator has put beside our units. */
function dropIns(): string[] {
  return unitNames().flatMap((name) => globSync(path.join(UNITS, `${name}.d/*`)));
}

/** The README's own words and no more: whoever changed them has a drop-in of their own. */
function isOurDropIn(file: string): boolean {
  return file === TCP_DROP_IN && /^\[Socket\]\nListenStream=\S+\n$/.test(readFileSync(file, 'utf8'));
}

function removeDropIns({ all }: { readonly all: boolean }): void {
  for (const file of dropIns()) {
    if (!all && !isOurDropIn(file)) continue;
    rmSync(file, { recursive: true });
    if (readdirSync(path.dirname(file)).length === 0) rmdirSync(path.dirname(file));
  }
}

/** Back to the kernel's default, unless this machine's own configuration sets it as well. */
function restoreSysctl(): void {
  const files = globSync('{/etc/sysctl.conf,{/etc,/run,/usr/lib}/sysctl.d/*.conf}');
  if (files.some((file) => readFileSync(file, 'utf8').includes(path.basename(SYSCTL)))) return;
  const file = path.join('/proc/sys', SYSCTL);
  try {
    if (existsSync(file)) writeFileSync(file, '0');
  } catch (error) {
    // In a container it may belong to the host, and then the router could not set it either.
    if (!['EROFS', 'EACCES', 'EPERM'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
  }
}

function purge(): void {
  removeDropIns({ all: true });
  for (const directory of [path.dirname(CONFIG), '/var/lib/fleet', '/run/fleet'])
    rmSync(directory, { recursive: true, force: true });
  if (groupId() !== undefined) execFileSync('groupdel', [GROUP], { stdio: ['ignore', 'ignore', 'inherit'] });
  systemctl('daemon-reload');
  say('Flotilla is removed with its configuration, its state and the group fleet.');
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

function uninstall(prefix: string, { all }: { readonly all: boolean }): void {
  const units = unitNames().filter((name) => existsSync(path.join(UNITS, name)));
  if (units.length > 0) systemctl('--quiet', 'disable', ...ENABLED);
  if (units.length > 0) systemctl('stop', ...units);
  for (const name of units) rmSync(path.join(UNITS, name));
  removeDropIns({ all: false });
  restoreSysctl();
  systemctl('daemon-reload');
  for (const name of PROGRAMS) {
    const link = path.join(LINKS, name);
    const isLink = lstatSync(link, { throwIfNoEntry: false })?.isSymbolicLink();
    if (isLink && readlinkSync(link) === path.join(prefix, 'bin', name)) rmSync(link);
  }
  rmSync(prefix, { recursive: true, force: true });
  rmSync(SOCKET, { force: true });
  if (all) purge();
  else sayWhatIsLeft();
}

function sayWhatIsLeft(): void {
  const left = [path.dirname(CONFIG), '/var/lib/fleet', `the group ${GROUP}`, ...dropIns()];
  say(`Flotilla is removed; ${left.join(', ')} are left: --purge takes them, too.`);
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      prefix: { type: 'string', default: PREFIX },
      uninstall: { type: 'boolean', default: false },
      purge: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) return say(HELP);
  assertPossible(values.prefix);
  if (values.uninstall || values.purge) uninstall(values.prefix, { all: values.purge });
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
