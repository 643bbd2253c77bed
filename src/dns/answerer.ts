import { type Log, messageOf, type Random } from '../lib/index.ts';
import type { Catalog, CatalogSnapshot } from '../services/index.ts';
import { addressesIn, questionFor } from './alias.ts';
import { encodeReply, udpLimit } from './encode-reply.ts';
import type { Forwarder } from './forwarder.ts';
import { CLASS, type DnsTransport, errorReply, parseQuery, type Query, RCODE, TYPE } from './message.ts';
import type { DnsRecord } from './records.ts';
import { isInZone, Zone } from './zone.ts';

export interface AnswererOptions {
  readonly catalog: Catalog;
  readonly datacenter: string;
  readonly forwarder: Forwarder;
  readonly random: Random;
  readonly log: Log;
}

const MAX_TCP_BYTES = 65_535;
const SUPPORTED_EDNS_VERSION = 0;

/**
 * Responds to DNS packets: from the current catalog for names under `consul.`, through the forwarder for all others.
 */
export class Answerer {
  readonly #options: AnswererOptions;
  #zone: Zone;
  #snapshot: CatalogSnapshot;

  constructor(options: AnswererOptions) {
    this.#options = options;
    this.#snapshot = options.catalog.snapshot;
    this.#zone = new Zone(this.#snapshot, options.datacenter);
  }

  /**
   * Calls `send` at most once, now or later; a packet that deserves no response is dropped. Returns true when `send`
   * will be called later.
   */
  answer(packet: Buffer, transport: DnsTransport, send: (reply: Buffer) => void): boolean {
    const reply = this.#replyOrFailure(packet, transport);
    if (reply instanceof Promise) {
      void reply.then(send);
      return true;
    }
    if (reply) send(reply);
    return false;
  }

  /** A bug of ours costs this one response (SERVFAIL) and does not end fleetd. */
  #replyOrFailure(packet: Buffer, transport: DnsTransport): Buffer | Promise<Buffer> | undefined {
    const failed = (error: unknown) => {
      this.#options.log.error('DNS question not answered', {
        error: error instanceof Error ? error.stack : String(error),
      });
      return errorReply(packet, RCODE.servFail);
    };
    try {
      const reply = this.#reply(packet, transport);
      return reply instanceof Promise ? reply.catch(failed) : reply;
    } catch (error) {
      return failed(error);
    }
  }

  #reply(packet: Buffer, transport: DnsTransport): Buffer | Promise<Buffer> | undefined {
    const parsed = parseQuery(packet);
    if (parsed.kind === 'ignore') return undefined;
    if (parsed.kind === 'error') return errorReply(packet, parsed.rcode);
    const { query } = parsed;
    if (query.edns && query.edns.version !== SUPPORTED_EDNS_VERSION) return this.#code(packet, query, RCODE.badVersion);
    if (isInZone(query.name)) return this.#fromCatalog(packet, query, transport);
    const { forwarder } = this.#options;
    if (!forwarder.available || !query.recursionDesired) return this.#code(packet, query, RCODE.refused);
    return forwarder.ask(packet, query, transport).catch(() => this.#code(packet, query, RCODE.servFail));
  }

  #fromCatalog(packet: Buffer, query: Query, transport: DnsTransport): Buffer | Promise<Buffer> {
    const { catalog, datacenter, forwarder } = this.#options;
    if (catalog.snapshot !== this.#snapshot) {
      this.#snapshot = catalog.snapshot;
      this.#zone = new Zone(this.#snapshot, datacenter);
    }
    const reply = this.#zone.reply(query);
    const maxBytes = transport === 'udp' ? udpLimit(query) : MAX_TCP_BYTES;
    const encode = (answers: readonly DnsRecord[]) =>
      encodeReply({ ...reply, answers }, { packet, query, maxBytes, recursionAvailable: forwarder.available });
    const answers = this.#shuffled(reply.answers);
    const [first] = answers;
    if (first?.type !== TYPE.CNAME) return encode(answers);
    // A name may have only one CNAME (RFC 1034 §3.6.2): each query gets the first of a new shuffle.
    return this.#follow(first.target, query).then((addresses) => encode([first, ...addresses]));
  }

  /**
   * Resolves an alias, since for many clients we are the only resolver. Returns an empty list when no recursor knows
   * it.
   */
  async #follow(target: string, { type, recursionDesired }: Query): Promise<readonly DnsRecord[]> {
    const { forwarder, log } = this.#options;
    if (type !== TYPE.A && type !== TYPE.AAAA) return [];
    if (isInZone(target)) return this.#zone.reply({ name: target, type, class: CLASS.IN }).answers;
    if (!forwarder.available || !recursionDesired) return [];
    try {
      const { packet, query } = questionFor(target, type);
      return addressesIn(await forwarder.ask(packet, query, 'udp'), target, type);
    } catch (error) {
      log.debug('Alias not followed', { target, error: messageOf(error) });
      return [];
    }
  }

  #code(packet: Buffer, query: Query, rcode: number): Buffer {
    const reply = { rcode, authoritative: false, answers: [], authority: [], additional: [] };
    const recursionAvailable = this.#options.forwarder.available;
    return encodeReply(reply, { packet, query, maxBytes: MAX_TCP_BYTES, recursionAvailable });
  }

  /** Shuffles: clients use the first address or the first few, and each instance shall come first equally often. */
  #shuffled<T>(items: readonly T[]): readonly T[] {
    if (items.length < 2) return items;
    const shuffled = [...items];
    for (let left = shuffled.length; left > 1; left--) {
      const at = Math.floor(this.#options.random.float() * left);
      [shuffled[at], shuffled[left - 1]] = [shuffled[left - 1]!, shuffled[at]!];
    }
    return shuffled;
  }
}
