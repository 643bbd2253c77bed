import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import type { TestContext } from 'node:test';
import { createLog } from '../../src/lib/index.ts';
import { until } from '../../src/lib/test-until.ts';
import type { Backend, DataPlane, RouterSettings, RouteTable } from '../../src/router/index.ts';
import { SETTINGS } from '../../src/router/test-router.ts';

/** How one data plane is opened for a test. */
export type OpenPlane = (settings: RouterSettings, test: TestContext) => Promise<DataPlane>;

/** A plane under test, with what it warned of. */
export interface PlaneUnderTest {
  readonly plane: DataPlane;
  readonly port: number;
  /** Routes `web.*` to these. */
  route(...backends: readonly Backend[]): Promise<void>;
}

export async function planeFor(
  test: TestContext,
  open: OpenPlane,
  settings: Partial<RouterSettings> = {},
): Promise<PlaneUnderTest> {
  const plane = await open({ ...SETTINGS, ...settings }, test);
  test.after(() => plane.close(0));
  const port = Number(new URL(plane.listening[0]!).port);
  let revision = 0;
  const route = (...backends: readonly Backend[]) => plane.use(tableOf(++revision, backends));
  return { plane, port, route };
}

function tableOf(revision: number, backends: readonly Backend[]): RouteTable {
  const routes = [{ host: 'web.*', path: '/', service: 'web', backends }];
  return { revision, routes, machines: ['m1'], problems: [] };
}

/** An HTTP server of the test's own; closed with it. */
export async function startBackend(
  test: TestContext,
  id: string,
  handler: http.RequestListener,
): Promise<{ readonly backend: Backend; readonly server: http.Server }> {
  const server = http.createServer({ requestTimeout: 0, keepAliveTimeout: 30_000, maxHeaderSize: 65_536 }, handler);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  test.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return { backend: backendAt(id, (server.address() as net.AddressInfo).port), server };
}

export function backendAt(id: string, port: number, machine = 'm1'): Backend {
  return { id: `${machine}/${id}`, machine, address: '127.0.0.1', port, weight: 1 };
}

/** A directory that is gone after the test. */
export function temporary(t: TestContext): string {
  const directory = mkdtempSync(path.join(os.tmpdir(), 'plane-'));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/** A port where nobody listens. */
export async function closedPort(): Promise<number> {
  const server = net.createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as net.AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

export interface Answer {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  readonly body: string;
}

/** One request to the plane, by a client that keeps no connections. */
export function ask(port: number, options: http.RequestOptions & { body?: string } = {}): Promise<Answer> {
  const { body, headers, ...rest } = options;
  return new Promise((resolve, reject) => {
    const request = http.request(
      {
        host: '127.0.0.1',
        port,
        agent: false,
        ...rest,
        headers: Array.isArray(headers) ? headers : { host: 'web.example.com', ...headers },
      },
      (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', reject);
        response.on('end', () =>
          resolve({ status: response.statusCode!, headers: response.headers, body: Buffer.concat(chunks).toString() }),
        );
      },
    );
    request.on('error', reject);
    request.end(body);
  });
}

/** Sends bytes as they are and answers all that comes back until the connection ends. */
export async function askRaw(port: number, text: string | Buffer, end = true): Promise<string> {
  const socket = net.connect({ host: '127.0.0.1', port });
  let answer = '';
  socket.setEncoding('latin1').on('data', (chunk: string) => {
    answer += chunk;
  });
  socket.on('error', () => {});
  socket.write(text);
  if (end) socket.end();
  await new Promise((resolve) => socket.on('close', resolve));
  return answer;
}

/** Sends bytes and waits, with the connection open, until what comes back is as expected; answers the connection. */
export async function converse(test: TestContext, port: number, text: string, expected: RegExp): Promise<net.Socket> {
  const socket = net.connect({ host: '127.0.0.1', port }).setEncoding('latin1');
  test.after(() => socket.destroy());
  let answer = '';
  socket.on('data', (chunk: string) => {
    answer += chunk;
  });
  socket.write(text);
  await until(`an answer like ${expected}`, () => expected.test(answer)).catch((error) => {
    throw new Error(`${error.message}, but: ${JSON.stringify(answer)}`);
  });
  return socket;
}

/** The head of a request for another protocol. */
export const upgrade = (method: string, more = ''): string =>
  `${method} /chat HTTP/1.1\r\nHost: web.example.com\r\nConnection: Upgrade\r\nUpgrade: echo\r\n${more}\r\n`;

export const testLog = createLog(() => {});
