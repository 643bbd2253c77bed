import { once } from 'node:events';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { systemClock as clock } from '../src/lib/index.ts';
import { CatalogWriter } from './catalog-writer.ts';
import type { Figure } from './figures.ts';
import type { BenchLab } from './lab.ts';

interface Router {
  readonly address: string;
  readonly routerPort: number;
}

/**
 * The only backend of a service is replaced by another one, again and again, while somebody asks every machine's router who
 * answers. A change is applied where the new one has answered a request that was sent after it.
 */
export async function routeChanges(lab: BenchLab, changes: number): Promise<Figure> {
  const { stdout } = await lab.fleetctl('lab', 'status', '-o', 'json');
  const { machines: routers } = JSON.parse(stdout) as { machines: readonly Router[] };
  const servers = await Promise.all(['0', '1'].map(serve));
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  const writer = await CatalogWriter.open(lab.storeEndpoint());
  const agent = new http.Agent({ keepAlive: true });
  const commit: number[] = [];
  const applied: number[] = [];
  try {
    for (let change = 0; change <= changes; change++) {
      const next = change % 2;
      const startMs = performance.now();
      const committed = writer.put('127.0.0.1', ports[next]!).then(() => performance.now() - startMs);
      await Promise.all(routers.map((router) => untilAnswers(router, String(next), agent)));
      const appliedMs = performance.now() - startMs;
      // The first only brings the route.
      if (change === 0) continue;
      commit.push(await committed);
      applied.push(appliedMs);
    }
  } finally {
    agent.destroy();
    for (const server of servers) server.close();
    await writer.close();
  }
  const name = `a backend replaced, from the sending of the change until all ${routers.length} routers send requests there`;
  return { name, unit: 'ms', samples: applied, target: '< 100', floor: { name: 'the commit', samples: commit } };
}

async function serve(answer: string): Promise<http.Server> {
  const server = http.createServer((_, response) => response.end(answer)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server;
}

async function untilAnswers(router: Router, wanted: string, agent: http.Agent): Promise<void> {
  const deadline = performance.now() + 10_000;
  while ((await ask(router, agent)) !== wanted) {
    if (performance.now() > deadline) throw new Error(`the router at ${router.address} does not follow`);
    // Asked without a pause, the routers would have to share the processor with those who ask.
    await clock.sleep(1);
  }
}

function ask({ address, routerPort }: Router, agent: http.Agent): Promise<string> {
  return new Promise((resolve, reject) => {
    const options = { host: address, port: routerPort, agent, headers: { host: 'bench.example.com' } };
    const request = http.get(options, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk;
      });
      response.on('end', () => resolve(text));
    });
    request.on('error', reject);
  });
}
