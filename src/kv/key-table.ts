import type { KvKeys } from './kv-keys.ts';

/** The records of pairs, locks and sessions, in the order of their keys: each is a method of `KvKeys`. */
export const KV_KEYS = {
  delay: {
    key: 'user/delay/KEY',
    value: 'empty',
    writtenBy: 'the fleetd that gives up a lock',
    lease: "the lock delay's",
    readBy: "Consul's API, before it locks the key",
  },
  pair: {
    key: 'user/key/KEY',
    value: 'value (base64), flags, lockIndex, session',
    writtenBy: "Consul's API",
    lease: '',
    readBy: "Consul's API",
  },
  lock: {
    key: 'user/lock/SESSION/KEY',
    value: 'behavior, lockDelayMs',
    writtenBy: "Consul's API, with the pair that it locks",
    lease: '',
    readBy: 'the leader',
  },
  session: {
    key: 'user/session/SESSION',
    value: 'machine, name, checks, behavior, lockDelayMs, ttlMs',
    writtenBy: "Consul's API",
    lease: 'its own, with a TTL',
    readBy: "Consul's API, the leader",
  },
} as const satisfies Record<KeyName, Readonly<Record<'key' | 'value' | 'writtenBy' | 'lease' | 'readBy', string>>>;

/** The members of `KvKeys` that make a key: one without a row does not compile. */
type KeyName = Exclude<
  { [N in keyof KvKeys]: KvKeys[N] extends (...parts: string[]) => string ? N : never }[keyof KvKeys],
  'keyOf'
>;
