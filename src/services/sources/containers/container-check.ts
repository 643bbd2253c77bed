import { isIPv6 } from 'node:net';
import { parseDuration } from '../../../lib/index.ts';
import { type CheckDefinition, expandVariables, type Probe } from '../../index.ts';

export interface CheckedService {
  /** The container's SERVICE_* variables for the port. */
  readonly values: ReadonlyMap<string, string>;
  readonly id: string;
  readonly address: string;
  readonly port: number;
  /** Name or id of the container. */
  readonly container: string;
}

const DEFAULT_INTERVAL_MS = 10_000;
const DEFAULT_TIMEOUT_MS = 10_000;

/** Returns the check that SERVICE_CHECK_* variables ask for: the first of HTTP, HTTPS, CMD, SCRIPT, TTL, TCP, GRPC. */
export function checkOf(service: CheckedService): CheckDefinition | undefined {
  const probe = probeOf(service);
  if (probe === undefined) return undefined;
  const initial = service.values.get('check_initial_status');
  const deregisterAfterMs = parseDuration(service.values.get('check_deregister_after') ?? '');
  return {
    id: `service:${service.id}`,
    name: `Service '${service.id}' check`,
    notes: '',
    probe,
    status: initial === 'passing' || initial === 'warning' ? initial : 'critical',
    ...(deregisterAfterMs === undefined ? {} : { deregisterAfterMs }),
  };
}

function probeOf({ values, address, port, container }: CheckedService): Probe | undefined {
  const said = (name: string) => values.get(`check_${name}`) || undefined;
  const env = { SERVICE_IP: address, SERVICE_PORT: String(port) };
  const pace = {
    intervalMs: parseDuration(said('interval') ?? '') || DEFAULT_INTERVAL_MS,
    timeoutMs: parseDuration(said('timeout') ?? '') || DEFAULT_TIMEOUT_MS,
  };
  const [http, https, cmd, script] = [said('http'), said('https'), said('cmd'), said('script')];
  const ttlMs = parseDuration(said('ttl') ?? '');
  if (http ?? https) return httpProbe({ http, https, address, port, method: said('http_method') }, pace);
  if (cmd) return { type: 'script', args: ['docker', 'exec', container, 'sh', '-c', cmd], env, ...pace };
  // Registrator replaces them before any shell reads the text, so that they count even within single quotes.
  if (script) return { type: 'script', args: ['sh', '-c', expandVariables(script, env)], env, ...pace };
  if (ttlMs) return { type: 'ttl', ttlMs };
  if (said('tcp') === 'true') return { type: 'tcp', host: address, port, ...pace };
  const grpc = said('grpc');
  if (!grpc) return undefined;
  const tls = said('grpc_use_tls') === 'true';
  return { type: 'grpc', host: address, port, service: grpc === 'true' ? '' : grpc, tls, verify: false, ...pace };
}

interface HttpCheck {
  readonly http: string | undefined;
  readonly https: string | undefined;
  readonly method: string | undefined;
  readonly address: string;
  readonly port: number;
}

function httpProbe(
  { http, https, method = 'GET', address, port }: HttpCheck,
  pace: { readonly intervalMs: number; readonly timeoutMs: number },
): Probe {
  const type = http === undefined ? 'https' : 'http';
  const path = `/${(http ?? https ?? '').replace(/^\//, '')}`;
  const url = `${type}://${isIPv6(address) ? `[${address}]` : address}:${port}${path}`;
  return { type, url, method, headers: {}, body: '', verify: false, ...pace };
}
