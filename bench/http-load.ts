/** Keeps so many requests in flight over kept connections; prints the answers per second of each window. */
import { connect } from 'node:net';
import { systemClock as clock } from '../src/lib/index.ts';

const [url, inFlight, windows, windowMs] = process.argv.slice(2) as [string, string, string, string];
const { hostname, port, pathname, search } = new URL(url);
const head = Buffer.from(`GET ${pathname}${search} HTTP/1.1\r\nHost: bench\r\n\r\n`);
let done = 0;
// A client that does no more than count bytes: the server is to be measured, not this.
for (let connection = 0; connection < Number(inFlight); connection++) {
  const socket = connect(Number(port), hostname, () => socket.write(head));
  let length = 0;
  let seen = 0;
  socket.setNoDelay(true).on('data', (chunk) => {
    seen += chunk.length;
    if (length === 0) {
      const end = chunk.indexOf('\r\n\r\n');
      length = end + 4 + Number(/content-length: (\d+)/i.exec(chunk.toString('latin1', 0, end))![1]);
    }
    if (seen < length) return;
    seen = 0;
    length = 0;
    done++;
    socket.write(head);
  });
}
await clock.sleep(Number(windowMs));
for (let window = 0; window < Number(windows); window++) {
  const [startedAt, before] = [clock.monotonic(), done];
  await clock.sleep(Number(windowMs));
  console.log((1000 * (done - before)) / (clock.monotonic() - startedAt));
}
process.exit();
