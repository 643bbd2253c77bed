import type { Entry } from '../store/index.ts';
import type { KvPair, NewSession, Session, SessionBehavior } from './kv.ts';

/** Encodes the record of a pair, without the parts that its key and the store's revisions tell. */
export function encodePair({ value, flags, lockIndex, session }: KvPair): string {
  return JSON.stringify({ value, flags: String(flags), lockIndex, session });
}

/** Decodes a pair; undefined for a malformed record. */
export function decodePair(key: string, { value: text, createRevision, modRevision }: Entry): KvPair | undefined {
  const record = parse(text);
  const { value, flags = '0', lockIndex = 0, session } = record ?? {};
  if (typeof value !== 'string' || !/^\d+$/.test(String(flags)) || typeof lockIndex !== 'number') return undefined;
  return {
    key,
    value,
    flags: BigInt(String(flags)),
    lockIndex,
    ...(typeof session === 'string' ? { session } : {}),
    createIndex: createRevision,
    modifyIndex: modRevision,
  };
}

export interface SessionRecord extends NewSession {
  /** The id of the session's own lease; only of a session with a time to live. */
  readonly lease?: string;
}

export function encodeSession(record: SessionRecord): string {
  return JSON.stringify(record);
}

export function decodeSession(id: string, entry: Entry): (Session & { readonly lease?: string }) | undefined {
  const record = parse(entry.value);
  if (!record || typeof record['machine'] !== 'string') return undefined;
  const { name, machine, checks, lockDelayMs, ttlMs } = record as unknown as NewSession;
  return {
    id,
    name: String(name ?? ''),
    machine,
    checks: Array.isArray(checks) ? checks.map(String) : [],
    behavior: behaviorOf(record['behavior']),
    lockDelayMs: Number(lockDelayMs) || 0,
    ttlMs: Number(ttlMs) || 0,
    ...(entry.lease === undefined ? {} : { lease: entry.lease }),
    createIndex: entry.createRevision,
    modifyIndex: entry.modRevision,
  };
}

/** The facts about a lock that are needed after its session has gone. */
export interface LockRecord {
  readonly behavior: SessionBehavior;
  readonly lockDelayMs: number;
}

export function encodeLock({ behavior, lockDelayMs }: LockRecord): string {
  return JSON.stringify({ behavior, lockDelayMs });
}

export function decodeLock(text: string): LockRecord {
  const record = parse(text);
  return { behavior: behaviorOf(record?.['behavior']), lockDelayMs: Number(record?.['lockDelayMs']) || 0 };
}

function behaviorOf(value: unknown): SessionBehavior {
  return value === 'delete' ? 'delete' : 'release';
}

function parse(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>) : undefined;
  } catch {
    return undefined;
  }
}
