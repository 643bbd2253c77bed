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
  systemRandom as random,
  VERSION,
} from '../lib/index.ts';
import { openEtcdStore } from '../store/index.ts';
import type { Config } from './config-schema.ts';
import { meterStore, observeEngine } from './feed-metrics.ts';
import { listenersOf, tcpEndpoint } from './listeners.ts';
import { bootId, describeMachine, machineId } from './machine.ts';
import { openRuntime } from './open-runtime.ts';
import { openServices } from './open-services.ts';
import { StateDirectory } from './state-directory.ts';

export interface FleetdOptions {
  readonly config: Config;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** How to start this program again in another role: command and the arguments before the role's own. */
  readonly self: { readonly command: string; readonly args: readonly string[] };
  readonly log: Log;
}

export interface Fleetd {
  /** Takes over a changed configuration; listeners, units and presence stay. */
  reload(config: Config): void;
  /** Internal state for SIGUSR1. */
  dump(): Readonly<Record<string, unknown>>;
  /** Stops and unloads the units of this machine and withdraws it, then closes everything. */
  stop(): Promise<void>;
}

/** The longest a clean stop waits for units to stop. */
const STOP_TIMEOUT_MS = 60_000;

/** Puts the parts together; the one place that picks implementations. */
export async function startFleetd({ config: initial, env, self, log }: FleetdOptions): Promise<Fleetd> {
  let config = initial;
  const id = machineId(config);
  const state = new StateDirectory(config.state_directory);
  const stopping = new AbortController();
  const { signal } = stopping;
  const listeners = listenersOf(config.listen, env);
  const endpoint = tcpEndpoint(listeners);
  const machine = () => describeMachine(config, id, endpoint, VERSION);
  const ttlMs = config.agent_ttl;

  const store = openStore(config, log);
  const metrics = new Metrics();
  const cluster = openCluster({
    store: meterStore(store, metrics, clock),
    prefix: config.etcd_key_prefix,
    clock,
    random,
    log,
  });
  const runtime = await openRuntime({ config, machineId: id, env, self, log });
  const common = { cluster, clock, random, log, signal, ttlMs, machine: id };
  const presence = new Presence({
    ...common,
    machine,
    token: state.token(random),
    memory: state.leaseMemory(bootId()),
  });
  const reconcileIntervalMs = config.engine_reconcile_interval * 1000;
  const agent = new Agent({ ...common, runtime, presence, reconcileIntervalMs });
  const services = openServices({ ...common, presence, machine, file: state.servicesFile });
  const observer = observeEngine(metrics);
  const engine = config.disable_engine ? undefined : new Engine({ ...common, presence, reconcileIntervalMs, observer });
  const api = createApi({
    cluster,
    machineId: id,
    version: VERSION,
    tokenLimit: config.token_limit,
    runtime,
    clock,
    random,
    log,
    // Longer than the store's own: what a request is told has failed must not happen after all.
    storeTimeoutMs: config.etcd_request_timeout * 1000 + 1000,
    available: () => presence.state !== 'taken',
    metrics,
  });
  const server = await serveApi(api, listeners);
  announceReady(presence, state, { pid: process.pid, machineId: id, endpoint, socket: socketOf(listeners) }, signal);

  return {
    reload(next) {
      config = next;
      presence.announce();
    },
    dump: () => ({
      machine: machine(),
      presence: presence.state,
      leading: engine?.leading ?? false,
      services: services.catalog.snapshot.services.size,
    }),
    async stop() {
      const stopped = new FlotillaError('unavailable', 'fleetd is stopping');
      stopping.abort(stopped);
      await Promise.race([withdraw(agent, engine, presence, log), clock.sleep(STOP_TIMEOUT_MS)]);
      state.forgetLease();
      state.withdrawReady();
      await server.close();
      await runtime.close();
      await store.close();
    },
  };
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
    throw new FlotillaError('usage', `${setting}: cannot read ${file}: ${messageOf(error)}`);
  }
}

async function withdraw(agent: Agent, engine: Engine | undefined, presence: Presence, log: Log): Promise<void> {
  const attempt = (what: string, done: Promise<void> | undefined) =>
    done?.catch((error) => log.warn('Not withdrawn cleanly', { what, error: messageOf(error) }));
  await attempt('leadership', engine?.resign());
  await attempt('units', agent.unloadAll());
  await attempt('presence', presence.leave());
}

function announceReady(
  presence: Presence,
  state: StateDirectory,
  facts: Readonly<Record<string, unknown>>,
  signal: AbortSignal,
): void {
  const report = () => {
    if (presence.state !== 'present') return;
    unsubscribe();
    if (!signal.aborted) state.announceReady(facts);
  };
  const unsubscribe = presence.onChange(report);
  report();
}

function socketOf(listeners: readonly Listener[]): string | undefined {
  return listeners.flatMap((listener) => ('path' in listener ? [listener.path] : []))[0];
}
