import { mkdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import { systemClock as clock, FlotillaError, replaceStateFile, systemReason } from '../lib/index.ts';
import { isRouted, killRouter } from '../router/index.ts';
import { powerOff } from '../runtime/supervisor/index.ts';
import { hasEnded, killProcess, lastLines, spawnDaemon, waitUntilReady } from './daemon-process.ts';
import { machinePaths } from './lab-directory.ts';
import type { LabIo } from './lab-io.ts';
import type { LabMachine, LabState } from './lab-state.ts';
import { signalProcess } from './process-identity.ts';
import { metadataOf, settingsOf } from './settings.ts';
import { killStrays } from './stray-processes.ts';

const READY_TIMEOUT_MS = 30_000;
const ROUTED_TIMEOUT_MS = 5000;
const STOP_TIMEOUT_MS = 70_000;

/**
 * Starts a machine's fleetd; resolves when it has joined the cluster and its router listens, if it can. Calls `save` as
 * soon as the pid is known.
 */
export async function startMachine(machine: LabMachine, state: LabState, io: LabIo, save: () => void): Promise<void> {
  const { directory } = machine;
  prepareDirectory(machine, state);
  const log = machinePaths.log(directory);
  const daemon = await spawnDaemon(['--config', machinePaths.config(directory)], log, io.env);
  machine.pid = daemon.pid;
  machine.startTime = daemon.startTime;
  machine.state = 'up';
  save();
  const failure = await waitUntilReady(machinePaths.ready(directory), daemon, READY_TIMEOUT_MS);
  if (failure === undefined) return await waitUntilRouted(machine);
  await killProcess(daemon);
  await cutPower(machine);
  save();
  throw new FlotillaError('unavailable', `machine ${machine.number} ${failure}; the end of ${log}:\n${lastLines(log)}`);
}

/** A router that cannot start logs the reason in fleetd's log and is retried there. */
async function waitUntilRouted({ directory }: LabMachine): Promise<void> {
  const deadline = clock.monotonic() + ROUTED_TIMEOUT_MS;
  while (!isRouted(machinePaths.router(directory)) && clock.monotonic() < deadline) await clock.sleep(10);
}

function prepareDirectory(machine: LabMachine, state: LabState): void {
  const { directory, number } = machine;
  try {
    mkdirSync(machinePaths.state(directory), { recursive: true });
    removeFile(machinePaths.ready(directory));
    replaceStateFile(machinePaths.config(directory), fleetConf(machine, state));
  } catch (error) {
    // An obstacle of this machine must not keep the others from starting.
    if (!isInTheWay(error)) throw error;
    const what = `machine ${number} cannot use ${directory} (${systemReason(error)})`;
    throw new FlotillaError('damaged', `${what}: move away what is there; the machine makes anew what it needs`);
  }
}

function removeFile(file: string): void {
  try {
    rmSync(file, { recursive: true, force: true });
  } catch (error) {
    if (!isInTheWay(error)) throw error;
  }
}

/** True for a file in the place of a directory and the reverse. */
function isInTheWay(error: unknown): boolean {
  return ['EEXIST', 'ENOTDIR', 'EISDIR', 'ERR_FS_EISDIR'].includes((error as NodeJS.ErrnoException).code ?? '');
}

/** Returns the machine's configuration file. */
function fleetConf(machine: LabMachine, state: LabState): string {
  const listening = (setting: string, port: number | undefined) =>
    port === undefined ? [] : [`${setting}=${machine.address}:${port}`];
  const metadata = metadataOf(state, machine);
  const listen = [...(machine.socket === undefined ? [] : [machine.socket]), new URL(machine.endpoint).host];
  return [
    '# Written anew by each start of the lab.',
    `etcd_servers=${JSON.stringify([state.store.endpoint])}`,
    ...(state.keyPrefix === undefined ? [] : [`etcd_key_prefix=${state.keyPrefix}`]),
    `public_ip=${machine.address}`,
    `agent_ttl=${state.agentTtl}`,
    `machine_id=${machine.id}`,
    `node_name=m${machine.number}`,
    'docker_containers=units',
    'local_users=own',
    `state_directory=${machinePaths.state(machine.directory)}`,
    `listen=${JSON.stringify(listen)}`,
    ...listening('consul_listen', machine.consulPort),
    ...listening('dns_listen', machine.dnsPort),
    'runtime=supervisor',
    ...listening('router_listen', machine.routerPort),
    ...listening('router_listen_tls', machine.routerTlsPort),
    ...(metadata === '' ? [] : [`metadata=${metadata}`]),
    ...[...settingsOf(state, machine)].map(([key, value]) => `${key}=${value}`),
    '',
  ].join('\n');
}

/** Simulates a loss of power: fleetd, the supervisor and all processes of units end at once, and memory is lost. */
export async function cutPower(machine: LabMachine): Promise<void> {
  await killDaemon(machine);
  killRouter(machinePaths.router(machine.directory));
  // A router that had only just begun has not left word of itself yet.
  await killStrays(path.dirname(machine.directory), machine.directory);
  await powerOff({ directory: machinePaths.supervisor(machine.directory) });
  for (const name of ['lease', 'ready', 'socket'] as const) removeFile(machinePaths[name](machine.directory));
  machine.state = 'dead';
}

/** Kills fleetd; the machine's units go on. */
export async function killDaemon(machine: LabMachine): Promise<void> {
  await killProcess(machine);
  machine.pid = 0;
  machine.startTime = 0;
  machine.state = 'daemon-dead';
}

/** Stops fleetd cleanly with its units, then kills what is left. Returns false when it had to be forced. */
export async function stopMachine(machine: LabMachine): Promise<boolean> {
  signalProcess(machine, 'SIGTERM');
  const clean = await hasEnded(machine, STOP_TIMEOUT_MS);
  await cutPower(machine);
  return clean;
}
