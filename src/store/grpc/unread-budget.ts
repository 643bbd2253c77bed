import type { Http2Session } from 'node:http2';

/** Limits of memory per connection, in bytes. */
export interface UnreadBudgetLimits {
  /** Unread responses of one connection, above which its further requests wait. */
  readonly sessionBytes: number;
  /** Unread responses of all connections, above which the connection with the most is ended. */
  readonly serverBytes: number;
  /** Requests of one connection without a response, above which further ones are refused. */
  readonly requestBytes: number;
  /** Unsent messages of one stream, above which no more is read from it. */
  readonly streamBytes: number;
}

export const UNREAD_LIMITS: UnreadBudgetLimits = {
  sessionBytes: 16 << 20,
  serverBytes: 256 << 20,
  requestBytes: 32 << 20,
  streamBytes: 4 << 20,
};

interface Account {
  unreadBytes: number;
  requestBytes: number;
  /** True while a response is being made that will add to them. */
  isHeld: boolean;
  readonly waiting: (() => void)[];
}

/**
 * Bounds the memory that connections take: HTTP/2's windows let a client request any number of responses and read none.
 * Used by one server; each `addX` needs its `removeX` when the stream ends.
 */
export class UnreadBudget {
  readonly #limits: UnreadBudgetLimits;
  readonly #accounts = new Map<Http2Session, Account>();
  #totalBytes = 0;

  constructor(limits: UnreadBudgetLimits = UNREAD_LIMITS) {
    this.#limits = limits;
  }

  open(session: Http2Session): void {
    this.#accounts.set(session, { unreadBytes: 0, requestBytes: 0, isHeld: false, waiting: [] });
    session.once('close', () => {
      this.#totalBytes -= this.#accounts.get(session)?.unreadBytes ?? 0;
      this.#accounts.delete(session);
    });
  }

  /** Runs `work` once the connection has read enough of its earlier responses; never if the connection ends first. */
  whenRoom(session: Http2Session | undefined, work: () => void): void {
    const account = session && this.#accounts.get(session);
    if (!account) return;
    account.waiting.push(work);
    this.#run(session, account);
  }

  /** Runs no further work of the connection until the promise settles. */
  hold(session: Http2Session | undefined, until: Promise<void>): void {
    const account = session && this.#accounts.get(session);
    if (!account) return;
    account.isHeld = true;
    void until.finally(() => {
      account.isHeld = false;
      this.#run(session, account);
    });
  }

  addUnread(session: Http2Session | undefined, bytes: number): void {
    const account = session && this.#accounts.get(session);
    if (!account) return;
    account.unreadBytes += bytes;
    this.#totalBytes += bytes;
    if (this.#totalBytes > this.#limits.serverBytes) this.#endLargest();
  }

  removeUnread(session: Http2Session | undefined, bytes: number): void {
    const account = session && this.#accounts.get(session);
    if (!account) return;
    account.unreadBytes -= bytes;
    this.#totalBytes -= bytes;
    if (account.waiting.length === 0) return;
    // When a client disconnects, its streams close one after the other: start no work in the room that the first one
    // leaves.
    setImmediate(() => this.#run(session, account));
  }

  /** Returns false, and adds nothing, when there is no room. */
  addRequest(session: Http2Session | undefined, bytes: number): boolean {
    const account = session && this.#accounts.get(session);
    if (!account || account.requestBytes + bytes > this.#limits.requestBytes) return false;
    account.requestBytes += bytes;
    return true;
  }

  removeRequest(session: Http2Session | undefined, bytes: number): void {
    const account = session && this.#accounts.get(session);
    if (account) account.requestBytes -= bytes;
  }

  /** `work` adds its response before it returns, so that each next one sees what is left. */
  #run(session: Http2Session, account: Account): void {
    const { sessionBytes } = this.#limits;
    const isReady = () => !session.destroyed && !account.isHeld && account.unreadBytes <= sessionBytes;
    while (account.waiting.length > 0 && isReady()) account.waiting.shift()!();
  }

  #endLargest(): void {
    const [session] = [...this.#accounts].reduce((a, b) => (b[1].unreadBytes > a[1].unreadBytes ? b : a));
    session.destroy();
  }
}
