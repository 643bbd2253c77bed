import type { Clock } from '../lib/index.ts';
import { RCODE, readQuestion, readRecord, TYPE } from './message.ts';

interface Kept {
  readonly message: Buffer;
  readonly ttlAt: readonly number[];
  readonly keptAtMs: number;
  readonly endsAtMs: number;
}

const MAX_ANSWERS = 10_000;
const MAX_TTL_SECONDS = 300;
/** The upper limit, in seconds, for keeping "no such name"; RFC 2308 §5 lets each server choose one. */
const MAX_NEGATIVE_TTL_SECONDS = 60;

/** Caches responses of recursors for as long as their shortest TTL allows. The TTLs of a cached response count down. */
export class AnswerCache {
  readonly #clock: Clock;
  readonly #kept = new Map<string, Kept>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get(key: string): Buffer | undefined {
    const kept = this.#kept.get(key);
    if (!kept) return undefined;
    const now = this.#clock.monotonic();
    if (now >= kept.endsAtMs) {
      this.#kept.delete(key);
      return undefined;
    }
    const message = Buffer.from(kept.message);
    const ageSeconds = Math.floor((now - kept.keptAtMs) / 1000);
    for (const at of kept.ttlAt) message.writeUInt32BE(Math.max(0, message.readUInt32BE(at) - ageSeconds), at);
    return message;
  }

  /** Stores the response if its code and TTLs allow that. */
  put(key: string, message: Buffer): void {
    const read = readTtls(message);
    if (!read || read.seconds === 0) return;
    const now = this.#clock.monotonic();
    this.#kept.delete(key);
    if (this.#kept.size >= MAX_ANSWERS) this.#kept.delete(this.#kept.keys().next().value!);
    this.#kept.set(key, { message, ttlAt: read.ttlAt, keptAtMs: now, endsAtMs: now + read.seconds * 1000 });
  }
}

/**
 * Returns how many seconds a message may be kept and at which offsets its TTLs stand; undefined if it may not be kept.
 */
function readTtls(message: Buffer): { readonly seconds: number; readonly ttlAt: readonly number[] } | undefined {
  const rcode = message[3]! & 0x0f;
  const truncated = (message[2]! & 0x02) !== 0;
  const question = readQuestion(message);
  if (!question || truncated || (rcode !== RCODE.ok && rcode !== RCODE.nxDomain)) return undefined;
  const answers = message.readUInt16BE(6);
  const records = answers + message.readUInt16BE(8) + message.readUInt16BE(10);
  const negative = rcode === RCODE.nxDomain || answers === 0;
  // A negative response without SOA does not say how long it holds (RFC 2308 §5).
  let seconds = negative ? 0 : MAX_TTL_SECONDS;
  const ttlAt: number[] = [];
  let at = question.end;
  for (let count = 0; count < records; count++) {
    const record = readRecord(message, at);
    if (!record) return undefined;
    at = record.end;
    if (record.type === TYPE.OPT) continue;
    ttlAt.push(record.ttlAt);
    const ttl = message.readUInt32BE(record.ttlAt);
    if (!negative) seconds = Math.min(seconds, ttl);
    else if (record.type === TYPE.SOA && record.end - record.dataAt >= 20)
      seconds = Math.min(MAX_NEGATIVE_TTL_SECONDS, ttl, message.readUInt32BE(record.end - 4));
  }
  return { seconds, ttlAt };
}
