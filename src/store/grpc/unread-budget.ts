import type { Http2Session } from 'node:http2';

/** Responses that the other side of one connection has not taken, above which its further requests wait. */
const SESSION_BYTES = 16 << 20;
/** The same of all connections, above which the one with the most is ended. */
const SERVER_BYTES = 256 << 20;
/** Requests of one connection that are not answered yet, above which more are refused. */
const REQUEST_BYTES = 32 << 20;

interface Account {
  unreadBytes: number;
  requestBytes: number;
  readonly waiting: (() => void)[];
}

/**
 * How much memory connections may take: HTTP/2's windows let a client ask for any number of responses and read none of
 * them. Used by one server; every `addX` has its `removeX` when the stream ends.
 */
export class UnreadBudget {
  readonly #accounts = new Map<Http2Session, Account>();
  #totalBytes = 0;

  open(session: Http2Session): void {
    this.#accounts.set(session, { unreadBytes: 0, requestBytes: 0, waiting: [] });
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
    this.#run(account);
  }

  addUnread(session: Http2Session | undefined, bytes: number): void {
    const account = session && this.#accounts.get(session);
    if (!account) return;
    account.unreadBytes += bytes;
    this.#totalBytes += bytes;
    if (this.#totalBytes > SERVER_BYTES) this.#endLargest();
  }

  removeUnread(session: Http2Session | undefined, bytes: number): void {
    const account = session && this.#accounts.get(session);
    if (!account) return;
    account.unreadBytes -= bytes;
    this.#totalBytes -= bytes;
    this.#run(account);
  }

  /** False when there is no room: then nothing was added. */
  addRequest(session: Http2Session | undefined, bytes: number): boolean {
    const account = session && this.#accounts.get(session);
    if (!account || account.requestBytes + bytes > REQUEST_BYTES) return false;
    account.requestBytes += bytes;
    return true;
  }

  removeRequest(session: Http2Session | undefined, bytes: number): void {
    const account = session && this.#accounts.get(session);
    if (account) account.requestBytes -= bytes;
  }

  /** `work` adds what it sends before it returns, if it reads: so each next one sees what the last one left. */
  #run(account: Account): void {
    while (account.waiting.length > 0 && account.unreadBytes <= SESSION_BYTES) account.waiting.shift()!();
  }

  #endLargest(): void {
    const [session] = [...this.#accounts].reduce((a, b) => (b[1].unreadBytes > a[1].unreadBytes ? b : a));
    session.destroy();
  }
}
