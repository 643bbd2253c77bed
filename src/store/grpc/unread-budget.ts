import type { Http2Session } from 'node:http2';

/** What connections may hold, in bytes. */
export interface UnreadBudgetLimits {
  /** Responses that the other side of one connection has not taken, above which its further requests wait. */
  readonly sessionBytes: number;
  /** The same of all connections, above which the one with the most is ended. */
  readonly serverBytes: number;
  /** Requests of one connection that have no response yet, above which more are refused. */
  readonly requestBytes: number;
  /** Messages of one two-way stream that wait unread, above which the stream is not read from. */
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
  /** A response is being made that will add to them. */
  isHeld: boolean;
  readonly waiting: (() => void)[];
}

/**
 * How much memory connections may take: HTTP/2's windows let a client ask for any number of responses and read none of
 * them. Used by one server; every `addX` has its `removeX` when the stream ends.
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

  /** Runs `work` as soon as the connection has taken enough of what it asked for before; never when it ends instead. */
  whenRoom(session: Http2Session | undefined, work: () => void): void {
    const account = session && this.#accounts.get(session);
    if (!account) return;
    account.waiting.push(work);
    this.#run(session, account);
  }

  /** No further work of the connection runs until then. */
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
    // The streams of a client that goes close one after the other: what they leave is room for none of them.
    setImmediate(() => this.#run(session, account));
  }

  /** False when there is no room: then nothing was added. */
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

  /** `work` adds what it sends before it returns, if it reads: so each next one sees what the last one left. */
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
