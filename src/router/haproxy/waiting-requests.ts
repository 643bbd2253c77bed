/** `meth=` in the answer to `show sess`: GET, HEAD, OPTIONS, PUT, DELETE and TRACE may be repeated (RFC 9110, 9.2.2). */
const REPEATABLE_METHODS: ReadonlySet<string> = new Set(['0', '1', '2', '4', '5', '6']);

/** The connection to the server stands; HAProxy before 2.6 names that side `si[1]`. */
const CONNECTED = /^ +(?:scb=|si\[1\]=).*\bstate=EST\b/m;

/**
 * Reads the answer to `show sess all`: the ids of requests that these servers have in full, that may be repeated, and of
 * whose response nothing has come. Streams under way and uploads are left alone. So are requests whose connection does not
 * stand yet: HAProxy takes their end for the client's and does not retry them, while after `timeout connect` it does.
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
