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
import { askTcp, askUdp } from './ask.ts';
import { udpLimit } from './encode-reply.ts';
import { type DnsTransport, errorReply, HEADER_BYTES, type Query, questionAlone, RCODE } from './message.ts';

export interface ForwarderOptions {
  readonly recursors: () => readonly HostPort[];
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

const TIMEOUT_MS = 2000;
/** Limit of concurrent queries, each of which holds a socket; further ones are refused. */
const MAX_UNDER_WAY = 500;

/** Asks the machine's own recursors on behalf of clients and caches their responses. */
export class Forwarder {
  readonly #options: ForwarderOptions;
  readonly #cache: AnswerCache;
  readonly #underWay = new Map<string, Promise<Buffer>>();
  readonly #closing = new AbortController();

  constructor(options: ForwarderOptions) {
    this.#options = options;
    this.#cache = new AnswerCache(options.clock);
  }

  /** True when at least one recursor is configured. */
  get available(): boolean {
    return this.#options.recursors().length > 0;
  }

  /** Resolves with the response to `packet`, under the packet's own id; rejects when no recursor responds in time. */
  async ask(packet: Buffer, query: Query, transport: DnsTransport): Promise<Buffer> {
    const key = keyOf(query, transport);
    const known = this.#cache.get(key);
    const answer = known ?? Buffer.from(await this.#askOnce(key, questionAlone(packet, query), transport));
    answer.writeUInt16BE(query.id, 0);
    // Repeat the question as this client wrote it: clients compare upper and lower case (draft-vixie-dnsext-dns0x20).
    packet.copy(answer, HEADER_BYTES, HEADER_BYTES, query.questionEnd);
    return answer;
  }

  close(): void {
    this.#closing.abort(new FlotillaError('unavailable', 'the DNS server is closing'));
  }

  /** Asks once for clients that send the same question at the same time. */
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
      // Draw the id from the system's random source, and let the kernel draw the port: a forger who has seen some of
      // them must not be able to predict the next (RFC 5452 §9.2). Math.random(), which `float()` uses, is predictable.
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

/** The cache key: everything of the query that may change the response. */
function keyOf(query: Query, transport: DnsTransport): string {
  const { name, type, class: classOf, edns } = query;
  // A response made for a small UDP size may lack records that a larger one holds.
  const room = transport === 'tcp' ? transport : udpLimit(query);
  return [room, edns ? (edns.dnssecOk ? 'do' : 'edns') : 'plain', type, classOf, name].join(' ');
}
