// Shows who answers: a page that asks /status over and over and counts the answers and failures of each instance.
// Runs on Node.js alone. PORT is where it listens (8080), RELEASE and MESSAGE are shown on the page.
import { createServer } from 'node:http';
import { hostname } from 'node:os';

const { PORT = '8080', RELEASE = 'v1', MESSAGE = 'Hello World' } = process.env;
const key = `${hostname()}:${PORT}`;
let served = 0;
let healthy = true;
let stopping = false;

const PAGE = `<!doctype html>
<meta charset="utf-8"><title>paas-monitor</title>
<style>body{font:16px sans-serif;margin:2em} td,th{padding:.2em 1em;text-align:left} .gone{color:#b00}</style>
<h1>paas-monitor</h1>
<p><button id="go">start</button> <span id="total"></span></p>
<table><thead><tr><th>instance<th>release<th>message<th>requests<th>failures<th>last seen<th>ms</thead><tbody id="rows"></tbody></table>
<script>
const seen = new Map();
let running = false, requests = 0, failures = 0, last;
document.querySelector('#go').onclick = (event) => {
  running = !running;
  event.target.textContent = running ? 'stop' : 'start';
  if (running) poll();
};
async function poll() {
  const began = performance.now();
  requests++;
  try {
    const response = await fetch('status', { cache: 'no-store' });
    if (!response.ok) throw new Error(response.status);
    const answer = await response.json();
    last = seen.get(answer.key) ?? { requests: 0, failures: 0 };
    Object.assign(last, answer, { requests: last.requests + 1, at: Date.now(), ms: performance.now() - began });
    seen.set(answer.key, last);
  } catch {
    failures++;
    if (last) last.failures++;
  }
  show();
  if (running) setTimeout(poll, 100);
}
function show() {
  document.querySelector('#total').textContent = requests + ' requests, ' + failures + ' failures';
  const rows = [...seen.values()].sort((a, b) => (a.key < b.key ? -1 : 1)).map((one) => {
    const row = document.createElement('tr');
    if (Date.now() - one.at > 5000) row.className = 'gone';
    for (const text of [one.key, one.release, one.message, one.requests, one.failures,
      new Date(one.at).toLocaleTimeString(), one.ms.toFixed(0)]) row.append(Object.assign(document.createElement('td'), { textContent: text }));
    return row;
  });
  document.querySelector('#rows').replaceChildren(...rows);
}
</script>
`;

function json(response, status, value) {
  response.writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store' });
  response.end(`${JSON.stringify(value)}\n`);
}

const routes = {
  '/': (response) => response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' }).end(PAGE),
  '/status': (response) => json(response, 200, { key, release: RELEASE, message: MESSAGE, servedCount: ++served }),
  '/health': (response) => json(response, healthy ? 200 : 503, { key, healthy }),
  // For trying out what a failing check does, and what a crash.
  '/toggle-health': (response) => {
    healthy = !healthy;
    json(response, 200, { key, healthy });
  },
  '/stop': (response) => {
    json(response, 200, { key, stopping: true });
    process.exitCode = 1;
    stop();
  },
};

const server = createServer((request, response) => {
  if (stopping) response.setHeader('connection', 'close');
  const route = routes[request.url.replace(/\?.*/, '')];
  if (route) route(response);
  else json(response, 404, { error: 'no such page' });
});
server.listen(Number(PORT), () => console.log(`paas-monitor ${RELEASE} answers on port ${PORT}`));

/** Takes no more connections and ends those that are silent; what is under way is answered. */
function stop() {
  stopping = true;
  server.close(() => process.exit());
  server.closeIdleConnections();
  setTimeout(() => process.exit(), 5000).unref();
}
for (const signal of ['SIGTERM', 'SIGINT']) process.on(signal, stop);
