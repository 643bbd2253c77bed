import type { FlagSpec } from './flags.ts';

export const DEFAULT_ENDPOINT = 'unix:///var/run/fleet.sock';

/** Flags of every command; each is also read from FLEETCTL_<NAME>. */
export const GLOBAL_FLAGS: readonly FlagSpec[] = [
  {
    name: 'endpoint',
    kind: 'text',
    value: 'URL',
    default: DEFAULT_ENDPOINT,
    about: 'Where the fleet API answers: unix:///path, http://host:port or https://host:port',
  },
  {
    name: 'request-timeout',
    kind: 'duration',
    positive: true,
    value: 'TIME',
    default: '3.0',
    about: 'Time allowed for one request, in seconds or as 500ms',
  },
  { name: 'ca-file', kind: 'text', value: 'FILE', about: 'Authority that signed the certificate of an https endpoint' },
  { name: 'cert-file', kind: 'text', value: 'FILE', about: 'Certificate to show to an https endpoint' },
  { name: 'key-file', kind: 'text', value: 'FILE', about: 'Key of that certificate' },
  {
    name: 'tunnel',
    kind: 'text',
    value: 'HOST[:PORT]',
    about: 'Reach the API, and the machines of fleetctl ssh, by way of this host, with ssh',
  },
  {
    name: 'known-hosts-file',
    kind: 'text',
    value: 'FILE',
    default: '~/.fleetctl/known_hosts',
    about: 'Where the keys of ssh hosts are stored',
  },
  {
    name: 'strict-host-key-checking',
    kind: 'bool',
    default: 'true',
    about: 'Refuse an ssh host whose key is not the stored one; with =false any key is taken',
  },
  { name: 'ssh-username', kind: 'text', value: 'USER', default: 'core', about: 'User to be on ssh hosts' },
  {
    name: 'ssh-timeout',
    kind: 'duration',
    positive: true,
    value: 'TIME',
    default: '10.0',
    about: 'Time allowed for connecting by ssh, in seconds or as 500ms',
  },
  { name: 'debug', kind: 'bool', about: 'Print each request on stderr' },
  { name: 'version', short: 'v', kind: 'bool', about: 'Print the version and exit' },
  { name: 'help', short: 'h', kind: 'bool', about: 'Print help and exit' },
  { name: 'driver', kind: 'text', value: 'API', default: 'API', about: 'Only API is left', deprecated: {} },
  { name: 'etcd-key-prefix', kind: 'text', value: 'PREFIX', about: 'Belonged to the etcd driver', deprecated: {} },
  { name: 'experimental-api', kind: 'bool', about: 'The API is the only way', deprecated: {} },
  { name: 'etcd-cafile', kind: 'text', value: 'FILE', about: 'Now --ca-file', deprecated: { insteadUse: 'ca-file' } },
  {
    name: 'etcd-certfile',
    kind: 'text',
    value: 'FILE',
    about: 'Now --cert-file',
    deprecated: { insteadUse: 'cert-file' },
  },
  {
    name: 'etcd-keyfile',
    kind: 'text',
    value: 'FILE',
    about: 'Now --key-file',
    deprecated: { insteadUse: 'key-file' },
  },
];
