/**
 * Values of `meth=` in `show sess` for GET, HEAD, OPTIONS, PUT, DELETE and TRACE, which are idempotent (RFC 9110
 * §9.2.2).
 */
const REPEATABLE_METHODS: ReadonlySet<string> = new Set(['0', '1', '2', '4', '5', '6']);

/** Matches an established connection to the server; HAProxy before 2.6 names that side `si[1]`. */
const CONNECTED = /^ +(?:scb=|si\[1\]=).*\bstate=EST\b/m;

/**
 * Parses the response to `show sess all`: lists the ids of idempotent requests that these servers have received in full
 * and to which no byte of a response has come. Leaves streams and uploads alone, and also requests whose connection is
 * not established: HAProxy takes their end for the client's and would not retry them, whereas it does after `timeout
 * connect`.
 */
export function readWaitingRequests(dump: string, servers: ReadonlySet<string>): string[] {
  return dump.split(/\n(?=0x)/).flatMap((text) => {
    const [, id] = /^(0x[0-9a-f]+): /.exec(text) ?? [];
    const [, section] = /^ +backend=(\S+) /m.exec(text) ?? [];
    const [, server] = /^ +server=(\S+) /m.exec(text) ?? [];
    const [, method = ''] = /^ +txn=\S+ flags=\S+ meth=(\d+) status=-1 req\.st=MSG_DONE /m.exec(text) ?? [];
    const waits = servers.has(`${section}/${server}`) && REPEATABLE_METHODS.has(method) && CONNECTED.test(text);
    return id !== undefined && waits ? [id] : [];
  });
}
