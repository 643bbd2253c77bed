import { FlotillaError, isFlotillaError, messageOf, RepeatedFailure, within } from '../lib/index.ts';
import { LEASE_REVOKE } from './etcd-calls.ts';
import type { EtcdClient } from './etcd-client.ts';
import type { ChannelStream } from './grpc/index.ts';
import { LeaseKeepAliveRequest, LeaseKeepAliveResponse, METHODS } from './proto/index.ts';
import type { Lease } from './store.ts';

const BEATS_PER_TTL = 3;

/** Keeps a granted lease alive: sends a keep-alive three times per TTL. */
export class EtcdLease implements Lease {
  readonly id: string;
  readonly ttlMs: number;
  /** The monotonic time at which this process obtained the lease. */
  readonly since: number;
  readonly #client: EtcdClient;
  readonly #lost = new AbortController();
  readonly #failure: RepeatedFailure;
  readonly #onEnd: (lease: EtcdLease) => void;
  #stream: ChannelStream | undefined;
  #opening = false;
  /** The send times of keep-alives without a response on the current stream. */
  #sentAt: number[] = [];
  #deadline: number;
  #stopped = false;
  #onAnswer: (alive: boolean) => void = () => {};
  #stopBeats: () => void = () => {};
  #stopDeadline: () => void = () => {};

  /**
   * `sentAt`: when the request was sent that granted or last renewed the lease. `onEnd` is called when the lease needs
   * no more care.
   */
  constructor(client: EtcdClient, id: string, ttlMs: number, sentAt: number, onEnd: (lease: EtcdLease) => void) {
    this.id = id;
    this.ttlMs = ttlMs;
    this.#client = client;
    this.#failure = new RepeatedFailure({
      clock: client.clock,
      log: client.log,
      sentence: 'Cannot send a keep-alive',
      over: 'Keep-alives are sent again',
      fields: { lease: id },
    });
    this.#onEnd = onEnd;
    this.since = sentAt;
    this.#deadline = sentAt + ttlMs;
    this.#watchDeadline();
    this.#scheduleBeat();
  }

  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  deadline(): number {
    return this.#deadline;
  }

  async revoke(): Promise<void> {
    this.stop();
    await revokeLease(this.#client, this.id);
    this.lose('it was revoked');
  }

  /**
   * Sends a keep-alive now; resolves with true when it is confirmed, false when the lease has ended. Rejects with
   * FlotillaError `unavailable` when no response comes within the TTL.
   */
  confirmed(): Promise<boolean> {
    return within(this.lost, (resolve) => {
      this.#onAnswer = resolve;
      this.#beat();
      return () => {};
    });
  }

  /** Stops sending keep-alives. The lease then expires, and `lost` aborts in time. */
  stop(): void {
    this.#stopped = true;
    this.#stopBeats();
    this.#dropStream();
    this.#onEnd(this);
  }

  /** Declares the lease lost. */
  lose(why: string): void {
    this.stop();
    this.#stopDeadline();
    if (this.#lost.signal.aborted) return;
    this.#lost.abort(new FlotillaError('unavailable', `the lease ${this.id} has ended: ${why}`, { lease: this.id }));
  }

  #watchDeadline(): void {
    this.#stopDeadline();
    const { clock } = this.#client;
    this.#stopDeadline = clock.after(this.#deadline - clock.monotonic(), () => {
      if (clock.monotonic() < this.#deadline) this.#watchDeadline();
      else this.lose('no keep-alive was answered in time');
    });
  }

  #scheduleBeat(): void {
    this.#stopBeats();
    this.#stopBeats = this.#client.clock.after(this.ttlMs / BEATS_PER_TTL, () => this.#beat());
  }

  #beat(): void {
    if (this.#stopped) return;
    this.#scheduleBeat();
    // No response to the last keep-alive for a whole interval: give this connection up.
    if (this.#sentAt.length > 0) {
      this.#stream?.destroyConnection();
      this.#dropStream();
    }
    if (this.#stream) this.#send(this.#stream);
    else void this.#open();
  }

  async #open(): Promise<void> {
    if (this.#opening) return;
    this.#opening = true;
    try {
      const stream: ChannelStream = await this.#client.stream(METHODS.leaseKeepAlive, {
        message: (message) => this.#answered(stream, message),
        ended: () => this.#broke(stream),
      });
      this.#stream = stream;
      this.#failure.succeeded();
      if (this.#stopped) this.#dropStream();
      else this.#send(stream);
    } catch (error) {
      this.#failure.failed(messageOf(error));
      this.#beatSoon();
    } finally {
      this.#opening = false;
    }
  }

  #send(stream: ChannelStream): void {
    this.#sentAt.push(this.#client.clock.monotonic());
    stream.send(LeaseKeepAliveRequest.encode({ id: BigInt(this.id) }));
  }

  #answered(stream: ChannelStream, message: Buffer): void {
    if (stream !== this.#stream) return;
    const sentAt = this.#sentAt.shift();
    const { ttl } = LeaseKeepAliveResponse.decode(message);
    this.#onAnswer(ttl > 0);
    if (ttl <= 0) {
      this.lose('the store no longer has it');
    } else if (sentAt !== undefined) {
      this.#deadline = sentAt + ttl * 1000;
      this.#watchDeadline();
    }
  }

  #broke(stream: ChannelStream): void {
    if (stream !== this.#stream) return;
    const unanswered = this.#sentAt.length > 0;
    stream.leave();
    this.#dropStream();
    if (unanswered) this.#beatSoon();
  }

  /** After a failure, send the next keep-alive soon instead of at the regular time. */
  #beatSoon(): void {
    if (this.#stopped) return;
    this.#stopBeats();
    const soonMs = Math.min(200, this.ttlMs / BEATS_PER_TTL / 4) * (0.75 + this.#client.random.float() / 2);
    this.#stopBeats = this.#client.clock.after(soonMs, () => this.#beat());
  }

  #dropStream(): void {
    this.#stream?.cancel();
    this.#stream = undefined;
    this.#sentAt = [];
  }
}

/** Revokes a lease; a lease that does not exist is no error. */
export async function revokeLease(client: EtcdClient, id: string): Promise<void> {
  try {
    await client.call(LEASE_REVOKE, { id: BigInt(id) });
  } catch (error) {
    if (!isFlotillaError(error, 'not-found')) throw error;
  }
}
