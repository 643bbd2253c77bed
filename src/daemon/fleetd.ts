import { readFileSync } from 'node:fs';
import { Agent, Presence } from '../agent/index.ts';
import { createApi, type Listener, Metrics, serveApi } from '../api/index.ts';
import { openCluster } from '../cluster/index.ts';
import { Engine } from '../engine/index.ts';
import {
  systemClock as clock,
  FlotillaError,
  type Log,
  messageOf,
  ownUserOnly,
  systemRandom as random,
  refuseForeignPages,
  systemReason,
  VERSION,
} from '../lib/index.ts';
import { openCatalog } from '../services/index.ts';
import { openEtcdStore } from '../store/index.ts';
import { type Config, changedForLater, reloadable } from './config-schema.ts';
import { meterStore, observeEngine } from './feed-metrics.ts';
import { listenersOf, openToNetwork, tcpEndpoint } from './listeners.ts';
import { bootId, describeMachine, lookUpRarely, machineId, machineIdNow } from './machine.ts';
import { openRuntime } from './open-runtime.ts';
import { openServices, type Services } from './open-services.ts';
import { serveCatalog } from './serve-catalog.ts';
import type { ServiceNotifier } from './service-notifier.ts';
import { ServiceStatus } from './service-status.ts';
import { startRouter } from './start-router.ts';
import { StateDirectory } from './state-directory.ts';

export interface FleetdOptions {
  readonly config: Config;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly pid: number;
  /** How to start this program again in another role: command and the arguments before the role's own. */
  readonly self: { readonly command: string; readonly args: readonly string[] };
  readonly log: Log;
  readonly notifier: ServiceNotifier;
  /** Aborts when fleetd is asked to stop, be it while it starts: from then on it starts no process that it can do without. */
  readonly leaving: AbortSignal;
  /** Called when this machine has been given another id, which takes a new process to follow. */
  readonly onAnotherId: () => void;
}

export interface Fleetd {
  /** Takes over what changed of the settings that can change; listeners, units and presence stay. */
  reload(config: Config): void;
  /** Internal state for SIGUSR1. */
  dump(): Readonly<Record<string, unknown>>;
  /** Stops and unloads the units of this machine and withdraws it, then closes everything. */
  stop(): Promise<void>;
}

/** The longest a clean stop waits for units to stop. */
const STOP_TIMEOUT_MS = 60_000;

/** Puts the parts together; the one place that picks implementations. Resolves as soon as the API answers. */
export async function startFleetd(options: FleetdOptions): Promise<Fleetd> {
  const { env, pid, self, log, notifier, leaving } = options;
  let { config } = options;
  const id = machineId(config);
  const state = new StateDirectory(config.state_directory, log);
  const token = state.token(random);
  const stopping = new AbortController();
  const { signal } = stopping;
  const listeners = listenersOf({ configured: config.listen, env, pid });
  const ttlMs = config.agent_ttl;

  const { store, metered, metrics, cluster } = openMeteredCluster(config, log);
  const status = new ServiceStatus({ notifier, etcdServers: config.etcd_servers, signal });
  const onRestart = status.restartOf('supervisor');
  const runtime = await openRuntime({ config, machineId: id, state, env, self, log, onRestart });
  const parts = { cluster, env, ...gatesOf(config), clock, random, log, signal };
  const catalog = openCatalog(parts);
  const routed = { directory: state.routerDirectory, leaving, onRestart: status.restartOf('router') };
  const router = startRouter({ ...parts, ...routed, config, catalog, self });
  let presence: Presence | undefined;
  const api = createApi({
    ...parts,
    storeEndpoints: config.etcd_servers,
    machineId: id,
    version: VERSION,
    tokenLimit: config.token_limit,
    runtime,
    router,
    catalog,
    // Longer than the store's own: what a request is told has failed must not happen after all.
    storeTimeoutMs: config.etcd_request_timeout * 1000 + 1000,
    available: () => presence?.state !== 'taken',
    metrics,
  });
  const server = await serveApi(api, listeners);
  status.warning = warnIfOpen(server.addresses, log);
  const endpoint = (address: string) => tcpEndpoint(server.addresses, address);
  const machine = () => describeMachine({ config, id, version: VERSION, endpoint });
  const common = { ...parts, ttlMs, machine: id };
  presence = new Presence({ ...common, machine, token, memory: state.leaseMemory(bootId()) });
  const reconcileIntervalMs = config.engine_reconcile_interval * 1000;
  const rarely = lookUpRarely(machine, clock);
  const services = openServices({ ...parts, runtime, presence, machine: rarely, file: state.servicesFile, config });
  const promises = state.promiseMemory(bootId(), clock);
  const agent = new Agent({ ...common, runtime, presence, promises, draining: services.local, reconcileIntervalMs });
  const present = presence;
  const served = await serveCatalog({ ...parts, config, store: metered, catalog, local: services.local, machine: id });
  const observer = observeEngine(metrics, (leading) => {
    served.lead(leading);
    status.lead(leading);
  });
  const engine = config.disable_engine ? undefined : new Engine({ ...common, presence, reconcileIntervalMs, observer });
  present.onChange(() => {
    if (present.state === 'taken' && machineIdNow(config) !== id) options.onAnotherId();
  });
  status.follow(present);
  const facts = { pid, machineId: id, endpoint: machine().endpoint, socket: socketOf(listeners) };
  announceReady({ presence: present, state, facts, signal, log });

  return {
    reload(next) {
      config = followed(config, next, log);
      present.announce();
    },
    dump: () => ({
      machine: machine(),
      presence: present.state,
      leading: engine?.leading ?? false,
      services: catalog.snapshot.services.size,
      restarts: status.restarts,
      listening: server.addresses,
      ...served.addresses(),
    }),
    async stop() {
      stopping.abort(new FlotillaError('unavailable', 'fleetd is stopping'));
      await Promise.race([withdraw({ agent, engine, presence: present, services }, log), clock.sleep(STOP_TIMEOUT_MS)]);
      state.forgetLease();
      state.withdrawReady();
      for (const part of [served, server, router, runtime, store]) await part?.close();
    },
  };
}

/** `before` with what of `next` can change while fleetd runs. */
function followed(before: Config, next: Config, log: Log): Config {
  for (const name of changedForLater(before, next))
    log.warn('Setting not reloaded: it changes when fleetd restarts', { setting: name });
  return { ...before, ...reloadable(next) };
}

/** Until the API asks for a password: tells loudly where others reach it. Returns what belongs into each status line. */
function warnIfOpen(addresses: readonly string[], log: Log): string {
  const address = openToNetwork(addresses).join(', ');
  if (address === '') return '';
  log.warn('The API asks for no password: whoever reaches it runs units as root. Keep it in a trusted network', {
    address,
  });
  return `the API at ${address} asks for no password`;
}

/** Who may use the TCP listeners of the API and of Consul's API. */
function gatesOf({ http_names: names, local_users: users }: Config) {
  return { pages: refuseForeignPages(names), admitPeer: users === 'own' ? ownUserOnly() : undefined };
}

/** The cluster in its store, each request of which is measured. */
function openMeteredCluster(config: Config, log: Log) {
  const store = openStore(config, log);
  const metrics = new Metrics();
  const metered = meterStore(store, metrics, clock);
  const cluster = openCluster({ store: metered, prefix: config.etcd_key_prefix, clock, random, log });
  return { store, metered, metrics, cluster };
}

function openStore(config: Config, log: Log) {
  const { etcd_cafile: ca, etcd_certfile: cert, etcd_keyfile: key } = config;
  const pem = (name: string, file: string) => (file === '' ? {} : { [name]: readSetting(`etcd_${name}file`, file) });
  return openEtcdStore({
    endpoints: config.etcd_servers,
    clock,
    random,
    log,
    requestTimeoutMs: config.etcd_request_timeout * 1000,
    ...(config.etcd_username === '' ? {} : { username: config.etcd_username, password: config.etcd_password }),
    ...(ca + cert + key === '' ? {} : { tls: { ...pem('ca', ca), ...pem('cert', cert), ...pem('key', key) } }),
  });
}

function readSetting(setting: string, file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new FlotillaError('usage', `${setting}: cannot read ${file}: ${systemReason(error)}`);
  }
}

interface Withdrawing {
  readonly agent: Agent;
  readonly engine: Engine | undefined;
  readonly presence: Presence;
  readonly services: Services;
}

async function withdraw({ agent, engine, presence, services }: Withdrawing, log: Log): Promise<void> {
  const attempt = (what: string, done: Promise<void> | undefined) =>
    done?.catch((error) => log.warn('Not withdrawn cleanly', { what, error: messageOf(error) }));
  await attempt('leadership', engine?.resign());
  await attempt('services', services.leave());
  await attempt('units', agent.unloadAll());
  await attempt('presence', presence.leave());
}

interface Announcing {
  readonly presence: Presence;
  readonly state: StateDirectory;
  readonly facts: Readonly<Record<string, unknown>>;
  readonly signal: AbortSignal;
  readonly log: Log;
}

function announceReady({ presence, state, facts, signal, log }: Announcing): void {
  const report = () => {
    if (presence.state !== 'present') return;
    unsubscribe();
    if (signal.aborted) return;
    try {
      state.announceReady(facts);
    } catch (error) {
      log.warn('Cannot write that this fleetd is ready', { error: messageOf(error) });
    }
  };
  const unsubscribe = presence.onChange(report);
  report();
}

function socketOf(listeners: readonly Listener[]): string | undefined {
  return listeners.flatMap((listener) => ('path' in listener ? [listener.path] : []))[0];
}
