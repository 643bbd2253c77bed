import type { Log, Random } from '../lib/index.ts';
import type { Catalog, CatalogSnapshot } from '../services/index.ts';
import { encodeReply, udpLimit } from './encode-reply.ts';
import type { Forwarder } from './forwarder.ts';
import { errorReply, parseQuery, type Query, RCODE } from './message.ts';
import { isInZone, Zone } from './zone.ts';

export type Transport = 'udp' | 'tcp';

export interface AnswererOptions {
  readonly catalog: Catalog;
  readonly datacenter: string;
  readonly forwarder: Forwarder;
  readonly random: Random;
  readonly log: Log;
}

const MAX_TCP_BYTES = 65_535;
const SUPPORTED_EDNS_VERSION = 0;

/** Packets in, packets out: from the catalog as it is, or from those who know other names. */
export class Answerer {
  readonly #options: AnswererOptions;
  #zone: Zone;
  #snapshot: CatalogSnapshot;

  constructor(options: AnswererOptions) {
    this.#options = options;
    this.#snapshot = options.catalog.snapshot;
    this.#zone = new Zone(this.#snapshot, options.datacenter);
  }

  /** Calls `send` once, at once or later, unless the packet deserves no answer. */
  answer(packet: Buffer, transport: Transport, send: (reply: Buffer) => void): void {
    const reply = this.#replyOrFailure(packet, transport);
    if (reply instanceof Promise) void reply.then(send);
    else if (reply) send(reply);
  }

  /** A fault of ours costs one answer, not all of fleetd. */
  #replyOrFailure(packet: Buffer, transport: Transport): Buffer | Promise<Buffer> | undefined {
    try {
      return this.#reply(packet, transport);
    } catch (error) {
      this.#options.log.error('DNS question not answered', {
        error: error instanceof Error ? error.stack : String(error),
      });
      return errorReply(packet, RCODE.servFail);
    }
  }

  #reply(packet: Buffer, transport: Transport): Buffer | Promise<Buffer> | undefined {
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

  #fromCatalog(packet: Buffer, query: Query, transport: Transport): Buffer {
    const { catalog, datacenter, forwarder } = this.#options;
    if (catalog.snapshot !== this.#snapshot) {
      this.#snapshot = catalog.snapshot;
      this.#zone = new Zone(this.#snapshot, datacenter);
    }
    const reply = this.#zone.reply(query);
    const maxBytes = transport === 'udp' ? udpLimit(query) : MAX_TCP_BYTES;
    const recursionAvailable = forwarder.available;
    return encodeReply(
      { ...reply, answers: this.#shuffled(reply.answers) },
      { packet, query, maxBytes, recursionAvailable },
    );
  }

  #code(packet: Buffer, query: Query, rcode: number): Buffer {
    const reply = { rcode, authoritative: false, answers: [], authority: [], additional: [] };
    const recursionAvailable = this.#options.forwarder.available;
    return encodeReply(reply, { packet, query, maxBytes: MAX_TCP_BYTES, recursionAvailable });
  }

  /** Clients take the first, or the first few: each instance is to be the first as often as any other. */
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
