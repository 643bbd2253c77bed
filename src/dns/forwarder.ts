import {
  type Clock,
  FlotillaError,
  formatHostPort,
  type HostPort,
  type Log,
  messageOf,
  type Random,
} from '../lib/index.ts';
import { AnswerCache } from './answer-cache.ts';
import type { DnsTransport } from './answerer.ts';
import { askTcp, askUdp } from './ask.ts';
import { udpLimit } from './encode-reply.ts';
import { errorReply, HEADER_BYTES, type Query, questionAlone, RCODE } from './message.ts';

export interface ForwarderOptions {
  readonly recursors: () => readonly HostPort[];
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

const TIMEOUT_MS = 2000;
/** More questions than this under way at once are refused: each holds a socket. */
const MAX_UNDER_WAY = 500;

/** Asks the machine's own resolvers on behalf of clients, and remembers what they said. */
export class Forwarder {
  readonly #options: ForwarderOptions;
  readonly #cache: AnswerCache;
  readonly #underWay = new Map<string, Promise<Buffer>>();
  readonly #closing = new AbortController();

  constructor(options: ForwarderOptions) {
    this.#options = options;
    this.#cache = new AnswerCache(options.clock);
  }

  /** Whether there is anybody to ask. */
  get available(): boolean {
    return this.#options.recursors().length > 0;
  }

  /** The answer to `packet`, under its own id; rejects when nobody answers in time. */
  async ask(packet: Buffer, query: Query, transport: DnsTransport): Promise<Buffer> {
    const key = keyOf(query, transport);
    const known = this.#cache.get(key);
    const answer = known ?? Buffer.from(await this.#askOnce(key, questionAlone(packet, query), transport));
    answer.writeUInt16BE(query.id, 0);
    // The question goes back as this client wrote it.
    packet.copy(answer, HEADER_BYTES, HEADER_BYTES, query.questionEnd);
    return answer;
  }

  close(): void {
    this.#closing.abort(new FlotillaError('unavailable', 'the DNS server is closing'));
  }

  /** The same question by several at the same time is asked once. */
  #askOnce(key: string, packet: Buffer, transport: DnsTransport): Promise<Buffer> {
    const underWay = this.#underWay.get(key);
    if (underWay) return underWay;
    if (this.#underWay.size >= MAX_UNDER_WAY) return Promise.resolve(errorReply(packet, RCODE.servFail));
    const asked = this.#askAll(packet, transport).finally(() => this.#underWay.delete(key));
    this.#underWay.set(key, asked);
    return asked.then((answer) => {
      this.#cache.put(key, answer);
      return answer;
    });
  }

  async #askAll(packet: Buffer, transport: DnsTransport): Promise<Buffer> {
    const { recursors, clock, random, log } = this.#options;
    let failed: Buffer | undefined;
    for (const recursor of recursors()) {
      // An id of our own from the system's random source, and a port that the kernel draws: a forger who has seen some
      // must not be able to tell the next (RFC 5452 §9.2). Math.random(), which float() is, can be told.
      packet.writeUInt16BE(Number.parseInt(random.hex(2), 16), 0);
      const ask = transport === 'tcp' ? askTcp : askUdp;
      try {
        const answer = await ask(packet, { recursor, clock, timeoutMs: TIMEOUT_MS, signal: this.#closing.signal });
        const rcode = answer[3]! & 0x0f;
        if (rcode !== RCODE.servFail && rcode !== RCODE.refused) return answer;
        failed = answer;
      } catch (error) {
        log.debug('Recursor did not answer', { recursor: formatHostPort(recursor), error: messageOf(error) });
      }
    }
    if (failed) return failed;
    throw new FlotillaError('timeout', 'no recursor answered');
  }
}

/** What an answer is kept under: everything of the question that may change it. */
function keyOf(query: Query, transport: DnsTransport): string {
  const { name, type, class: classOf, edns } = query;
  // What fits a small answer may lack what a large one holds.
  const room = transport === 'tcp' ? transport : udpLimit(query);
  return [room, edns ? (edns.dnssecOk ? 'do' : 'edns') : 'plain', type, classOf, name].join(' ');
}
