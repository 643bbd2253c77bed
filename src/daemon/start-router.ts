import { join } from 'node:path';
import type { Cluster } from '../cluster/index.ts';
import type { Clock, Log, Random } from '../lib/index.ts';
import { openRouter, type Router, type RouterSettings } from '../router/index.ts';
import type { Catalog } from '../services/index.ts';
import type { Config } from './config-schema.ts';
import { parseTcpAddress } from './listeners.ts';
import { forgetCertificates, type MirrorCertificatesOptions, mirrorCertificates } from './mirror-certificates.ts';

export interface StartRouterOptions {
  readonly config: Config;
  readonly directory: string;
  readonly cluster: Cluster;
  readonly signal: AbortSignal;
  /** After it aborts no router process is started: fleetd was asked to stop. */
  readonly leaving: AbortSignal;
  readonly onRestart: () => void;
  readonly catalog: Catalog;
  /** The command that starts this program in another role. */
  readonly self: { readonly command: string; readonly args: readonly string[] };
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

/** A lost SYN is repeated after one second; a backend that needs longer than this is considered absent. */
const CONNECT_TIMEOUT_MS = 1500;
const CLIENT_TIMEOUT_MS = 60_000;
const MAX_FAILURES = 3;
const REST_MS = 60_000;

/** The value of `router_certificates` that takes them from the store. */
const STORE = 'store';

/** Starts the machine's router as configured; returns undefined when it is off. */
export function startRouter({ config, self, directory, leaving, ...rest }: StartRouterOptions): Router | undefined {
  const { router: plane } = config;
  const certificates = certificatesDirectory(config, { ...rest, directory: join(directory, 'certificates') });
  if (plane === 'off') return undefined;
  const settings: RouterSettings = {
    plane,
    listen: config.router_listen.map((text) => parseTcpAddress('router_listen', text)),
    listenTls: config.router_listen_tls.map((text) => parseTcpAddress('router_listen_tls', text)),
    certificates,
    redirectToTls: config.router_redirect,
    index: config.router_index,
    proxyProtocol: config.router_proxy_protocol,
    accessLog: config.router_access_log,
    answerTimeoutMs: config.router_timeout,
    connectTimeoutMs: CONNECT_TIMEOUT_MS,
    maxFailures: MAX_FAILURES,
    restMs: REST_MS,
    clientTimeoutMs: CLIENT_TIMEOUT_MS,
  };
  const spawn = { command: self.command, args: [...self.args, 'router', '--dir', directory] };
  const router = openRouter({ ...rest, settings, directory, spawn });
  if (leaving.aborted) router.letGo();
  leaving.addEventListener('abort', () => router.letGo());
  return router;
}

/** Returns the router's directory of certificates. Those of the store are mirrored only if they are used. */
function certificatesDirectory(config: Config, mirror: MirrorCertificatesOptions): string {
  const isNeeded = config.router !== 'off' && config.router_listen_tls.length > 0;
  if (config.router_certificates === STORE && isNeeded) mirrorCertificates(mirror);
  else forgetCertificates(mirror.directory);
  return config.router_certificates === STORE ? mirror.directory : config.router_certificates;
}
