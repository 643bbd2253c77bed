import { parseDuration } from '../lib/index.ts';

/**
 * Every setting of fleetd: the one table behind types, file parsing, FLEET_* variables, `fleetd --help` and the
 * reference in docs/. The keys of fleet 1.x keep their names, defaults and meaning; the others are Flotilla's.
 */
export interface Setting<T> {
  readonly default: T;
  readonly description: string;
  /** The form of a value, in a few words. */
  readonly type: string;
  readonly parse: (text: string) => T;
  /** Formats a value for the configuration file, such that `parse` reads it back. */
  write(value: T): string;
  /** Returns in words which parts of an accepted value are ignored, if any. */
  readonly passedOver?: (text: string) => string | undefined;
  /** Accepted for old configuration files, without effect. */
  readonly ignored?: boolean;
  /** The empty value is valid; for other settings an empty environment variable counts as unset, as in fleet. */
  readonly mayBeEmpty?: boolean;
}

const DEFAULT_SERVERS: readonly string[] = ['http://127.0.0.1:2379', 'http://127.0.0.1:4001'];

export const SETTINGS = {
  verbosity: number(0, 'Log more when greater than 0.'),
  etcd_servers: list(DEFAULT_SERVERS, 'The etcd endpoints, any of which will do: URL,URL or ["URL", "URL"].'),
  etcd_username: text('', 'User name for etcd.'),
  etcd_password: text('', 'Password for etcd.'),
  etcd_cafile: text('', "File with the certificate authority of etcd's certificates."),
  etcd_certfile: text('', 'File with the client certificate shown to etcd.'),
  etcd_keyfile: text('', 'File with the key of etcd_certfile.'),
  etcd_key_prefix: text('/_coreos.com/fleet/', 'Every key in etcd starts with this; one cluster per prefix.'),
  etcd_request_timeout: number(1, 'Seconds to wait for an answer of etcd.'),
  engine_reconcile_interval: number(2, 'Longest time in seconds between two looks at the world.'),
  public_ip: text('', 'Address shown for this machine; empty: first global IPv4 of the default route.'),
  metadata: metadata('key=value pairs of this machine, comma separated, for MachineMetadata.'),
  agent_ttl: duration(30_000, 'How long a machine may be silent before its units move (Go duration: 30s, 1m30s).'),
  node_name: text('', 'Name of this machine in the catalog of services and in DNS; empty: its host name.'),
  docker_socket: orEmpty(
    text('/var/run/docker.sock', "Docker's or Podman's socket, whose containers are services; empty: none."),
  ),
  docker_containers: choice(
    ['all', 'units'],
    'Which containers are services: all, or those that units of this machine run (several fleetds on one computer).',
  ),
  docker_internal: flag(
    false,
    "Services answer at their containers' own addresses and ports, published or not, which all machines can reach.",
  ),
  docker_script_checks: flag(
    false,
    'Run the checks SERVICE_CHECK_SCRIPT (here, as the user of fleetd) and SERVICE_CHECK_CMD of containers: an image can bring both.',
  ),
  script_checks: flag(false, "Let clients of Consul's API register checks that run programs here, as fleetd's user."),
  drain_time: duration(
    2000,
    'How long a unit runs on after its services have left the catalog, before it is stopped (Go duration).',
  ),
  consul_listen: orEmpty(
    list(['127.0.0.1:8500'], "Where Consul's HTTP API answers: ADDRESS:PORT, several; empty: nowhere."),
  ),
  dns_listen: orEmpty(
    list(['127.0.0.1:8600'], 'Where DNS answers by UDP and TCP: ADDRESS:PORT, several; empty: nowhere.'),
  ),
  dns_recursors: orEmpty(
    list(
      ['/etc/resolv.conf'],
      'Who is asked for DNS names outside consul.: ADDRESS, ADDRESS:PORT, or a file like /etc/resolv.conf; empty: nobody.',
    ),
  ),
  local_users: choice(
    ['all', 'own'],
    "Which users of this computer may use the API and Consul's API by TCP on loopback: all, or fleetd's own user and root.",
  ),
  http_names: list(
    [],
    "Names by which clients may ask the API and Consul's API, besides addresses, names without a dot, this machine's host name and *.consul, *.local, *.internal: web pages may use none.",
  ),
  datacenter: text('dc1', "Name of the cluster in Consul's API and in DNS."),
  units_directory: text('/run/fleet/units/', 'Where unit files are written for systemd.'),
  systemd_user: flag(false, "Use the user's systemd instance."),
  token_limit: number(100, 'Most elements in one page of an API list.'),
  disable_engine: flag(false, 'This machine never leads.'),
  disable_watches: flag(false, 'Without effect: views are always fed by watches.', true),
  enable_grpc: flag(false, 'Without effect: the store is always reached by gRPC.', true),
  verify_units: text('', 'Without effect: signed units are gone.', true),
  authorized_keys_file: text('', 'Without effect: signed units are gone.', true),
  machine_id: text('', 'Id of this machine, 32 hexadecimal digits; empty: /etc/machine-id.'),
  state_directory: text('/var/lib/fleet', 'What fleetd keeps over restarts: its token, lease and the supervisor.'),
  listen: list(
    [],
    'Where the API answers besides sockets passed by systemd: paths of unix sockets and HOST:PORT; with neither: /var/run/fleet.sock.',
  ),
  runtime: choice(
    ['auto', 'systemd', 'supervisor'],
    'What runs units here: systemd, or supervisor, the one built in; auto: systemd where it runs the machine.',
  ),
  router: choice(
    ['process', 'haproxy', 'off'],
    'What routes HTTP to services: process, a process of fleetd; haproxy, where that is installed; off: nothing.',
  ),
  router_listen: orEmpty(list([':80'], 'Where the router takes HTTP: HOST:PORT.')),
  router_listen_tls: list([], 'Where the router takes HTTPS: HOST:PORT.'),
  router_certificates: text(
    'store',
    'store: those of fleetctl router certificates; or a directory of *.pem, each a certificate with its chain and its key.',
  ),
  router_redirect: flag(false, 'Answer plain HTTP with the same address under https.'),
  router_index: flag(false, 'Respond with 200, not 404, to / of a host that no service has.'),
  router_proxy_protocol: flag(false, "Every connection to the router begins with the PROXY protocol's header."),
  router_access_log: text('', 'File to which the router writes one line for each request; empty: none.'),
  router_timeout: duration(60_000, 'How long a service may take to begin its answer before the router gives up.'),
} as const satisfies Record<string, Setting<unknown>>;

export type SettingName = keyof typeof SETTINGS;
export type Config = { readonly [K in SettingName]: (typeof SETTINGS)[K]['default'] };

/** Selects the settings that a running fleetd can change. */
export function reloadable({ metadata, public_ip, node_name }: Config): Partial<Config> {
  return { metadata, public_ip, node_name };
}

/** Lists the changed settings that take effect only when fleetd is restarted. */
export function changedForLater(before: Config, after: Config): SettingName[] {
  const now = Object.keys(reloadable(after));
  const names = Object.keys(SETTINGS) as SettingName[];
  return names.filter((name) => !now.includes(name) && JSON.stringify(before[name]) !== JSON.stringify(after[name]));
}

function text(value: string, description: string, ignored = false): Setting<string> {
  return { default: value, description, type: 'text', parse: (input) => input, write: (given) => given, ignored };
}

function orEmpty<T>(setting: Setting<T>): Setting<T> {
  return { ...setting, mayBeEmpty: true };
}

function number(value: number, description: string): Setting<number> {
  const parse = (input: string) => {
    const parsed = Number(input);
    if (input.trim() === '' || !Number.isFinite(parsed) || parsed < 0)
      throw new Error(`${JSON.stringify(input)} is not a number`);
    return parsed;
  };
  return { default: value, description, type: 'number', parse, write: String };
}

function flag(value: boolean, description: string, ignored = false): Setting<boolean> {
  const parse = (input: string) => {
    if (/^(1|t|true|yes|on)$/i.test(input)) return true;
    if (/^(0|f|false|no|off|)$/i.test(input)) return false;
    throw new Error(`${JSON.stringify(input)} is neither true nor false`);
  };
  return { default: value, description, type: 'true or false', parse, write: String, ignored };
}

/** One of a few words; the default is the first. */
function choice<const T extends readonly [string, ...string[]]>(words: T, description: string): Setting<T[number]> {
  const parse = (input: string): T[number] => {
    if (words.includes(input)) return input;
    throw new Error(`${JSON.stringify(input)} is none of ${words.join(', ')}`);
  };
  return { default: words[0], description, type: words.join(', '), parse, write: (given) => given };
}

/** `["a", "b"]`, or `a, b`. */
function list(value: readonly string[], description: string): Setting<readonly string[]> {
  const parse = (input: string) =>
    input
      .replace(/^\s*\[|\]\s*$/g, '')
      .split(',')
      .map((item) => unquote(item.trim()))
      .filter((item) => item !== '');
  return { default: value, description, type: 'list', parse, write: (given) => given.join(',') };
}

/** As in fleet, a malformed pair does not keep fleetd from starting. */
function metadata(description: string): Setting<Readonly<Record<string, string>>> {
  const items = (input: string) => input.split(',').map((item) => item.trim());
  const isPair = (item: string) => item.indexOf('=') > 0;
  const pairOf = (item: string): [string, string] => {
    const at = item.indexOf('=');
    return [item.slice(0, at).trim(), item.slice(at + 1).trim()];
  };
  const parse = (input: string) => Object.fromEntries(items(input).filter(isPair).map(pairOf));
  const passedOver = (input: string) => {
    const others = items(input).filter((item) => item !== '' && !isPair(item));
    return others.length === 0 ? undefined : `${JSON.stringify(others.join(','))} is not key=value and is ignored`;
  };
  const write = (given: Readonly<Record<string, string>>) =>
    Object.entries(given)
      .map((pair) => pair.join('='))
      .join(',');
  return { default: {}, description, type: 'key=value pairs', parse, write, passedOver };
}

/** Go durations: 30s, 1m30s, 500ms; a bare number is seconds. Returns milliseconds. */
function duration(value: number, description: string): Setting<number> {
  const parse = (input: string) => {
    const ms = parseDuration(input);
    if (ms === undefined) throw new Error(`${JSON.stringify(input)} is not a duration like 30s`);
    return ms;
  };
  return { default: value, description, type: 'duration', parse, write: durationText };
}

function durationText(ms: number): string {
  if (ms % 60_000 === 0 && ms > 0) return `${ms / 60_000}m`;
  return ms % 1000 === 0 ? `${ms / 1000}s` : `${ms}ms`;
}

/** Removes one pair of 'single' or "double" quotes around the value. */
export function unquote(value: string): string {
  const match = /^(['"])(.*)\1$/s.exec(value);
  return match ? match[2]! : value;
}
