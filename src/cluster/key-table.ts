import type { Keys } from './keys.ts';

/** One kind of record in the store, as docs/reference/store-keys.md shows it. */
export interface KeyRow {
  /** Below `etcd_key_prefix`; words in capitals stand for names. */
  readonly key: string;
  /** Fields of the value, a JSON object unless said otherwise. */
  readonly value: string;
  readonly writtenBy: string;
  /** Whose lease the record hangs on; empty: none. */
  readonly lease: string;
  readonly readBy: string;
}

/** The records of the cluster, in the order of their keys: each is a method of `Keys` with the name of its row. */
export const CLUSTER_KEYS = {
  check: {
    key: 'catalog/check/ID/CHECK',
    value: 'name, type, status, output, notes, service',
    writtenBy: 'the machine; of an external node the fleetd where it is registered',
    lease: "the machine's; none of an external node",
    readBy: "every machine's catalog",
  },
  instance: {
    key: 'catalog/instance/ID/INSTANCE',
    value: 'name, address, port, tags, meta, weights, enableTagOverride, source, unit, routes, checks',
    writtenBy: 'as for a check',
    lease: 'as for a check',
    readBy: "every machine's catalog",
  },
  external: {
    key: 'catalog/node/ID',
    value: 'name, address, uuid, meta',
    writtenBy: 'the fleetd where an external node is registered',
    lease: '',
    readBy: "every machine's catalog",
  },
  leader: {
    key: 'cluster/leader',
    value: 'machine, sinceMs',
    writtenBy: 'the leader',
    lease: "the leader's machine's",
    readBy: 'candidates, the leader, API',
  },
  machine: {
    key: 'cluster/machine/ID',
    value: 'address, name, metadata, endpoint, resources, version, leaving, token',
    writtenBy: 'the machine',
    lease: 'its own',
    readBy: 'candidates, the leader, API, catalogs',
  },
  metadata: {
    key: 'cluster/metadata/ID/KEY',
    value: 'the text itself; empty: the key is removed',
    writtenBy: 'API (PATCH /machines)',
    lease: '',
    readBy: 'the leader, API, catalogs',
  },
  note: {
    key: 'cluster/note',
    value: 'lost (id of a machine), or deleted',
    writtenBy: 'API with each deletion; the leader',
    lease: '',
    readBy: 'API',
  },
  placement: {
    key: 'cluster/placement/ID/UNIT',
    value: 'hash, desired, reason, onPartition, once',
    writtenBy: 'the leader, fenced',
    lease: '',
    readBy: 'that machine, the leader, API',
  },
  unit: {
    key: 'cluster/unit/UNIT',
    value: 'hash, desired, needs, ran (machine, atMs)',
    writtenBy: 'API; ran: the machine where it has run',
    lease: '',
    readBy: 'the leader, API',
  },
  status: {
    key: 'status/ID/UNIT',
    value: 'hash, state, load, active, sub, note, exit, start',
    writtenBy: 'the machine',
    lease: 'its own',
    readBy: 'API',
  },
  text: {
    key: 'text/UNIT',
    value: 'hash, text, submitted',
    writtenBy: 'API, with the unit',
    lease: '',
    readBy: 'machines that load it, API',
  },
  certificate: {
    key: 'vault/certificate/NAME',
    value: 'pem: certificate, chain and key',
    writtenBy: 'API',
    lease: '',
    readBy: 'machines that take HTTPS, API',
  },
  secret: {
    key: 'vault/secret',
    value: '64 hexadecimal digits',
    writtenBy: 'the first fleetd that needs it',
    lease: '',
    readBy: 'every fleetd',
  },
} as const satisfies Record<KeyName, KeyRow>;

/** The members of `Keys` that are a key or make one: a key without a row does not compile. */
type KeyName = Exclude<
  { [N in keyof Keys]: Keys[N] extends string | ((...parts: string[]) => string) ? N : never }[keyof Keys],
  'certificateOf'
>;
