/**
 * Consul's HTTP API of one fleetd-like process on a store of its own. The floor of requests is a bare node:http server that
 * answers as many bytes. `npm run bench -- consul [--quick]`.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { systemClock as clock } from '../src/lib/index.ts';
import { median, printFigures } from './figures.ts';

const WINDOW_MS = 500;
const IN_FLIGHT = 32;
const WATCHERS = 1000;

export async function benchConsul(quick: boolean): Promise<void> {
  const [api, bare] = [await start('api'), await start('bare')];
  const url = `http://127.0.0.1:${api.port}`;
  for (let id = 0; id < 10; id++) await send('PUT', `${url}/v1/agent/service/register`, service('web', id));
  await until(async () => (await send('GET', `${url}/v1/health/service/web?passing`)).body.includes('web-9'));
  const windows = quick ? 4 : 12;
  const floor = { name: 'bare node:http', samples: await perSecond(`http://127.0.0.1:${bare.port}/`, windows) };
  const health = await perSecond(`${url}/v1/health/service/web?passing`, windows);
  const registrations = await registered(url, quick ? 300 : 1000);
  const woken = await wakes(url, quick ? 30 : 150);
  printFigures("Consul's API", [
    { name: 'health of 10 instances', unit: 'requests/s', samples: health, target: '> 6320', floor },
    { name: 'registrations, one after the other', unit: 'each second', samples: registrations, target: '> 256' },
    { name: 'from a registration sent to the wake of a blocked query', unit: 'ms', samples: woken, target: '< 50' },
  ]);
  await watched(url, api.child.pid!, quick ? 2000 : 10_000);
  for (const { child } of [api, bare]) child.kill();
}

const service = (name: string, id: number) =>
  JSON.stringify({ Name: name, ID: `${name}-${id}`, Port: 8000 + id, Tags: ['http'] });

async function start(what: 'api' | 'bare'): Promise<{ child: ChildProcess; port: number }> {
  const script = fileURLToPath(import.meta.resolve('./consul-process.ts'));
  const child = spawn(process.execPath, [script, what], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [line] = await once(createInterface(child.stdout), 'line');
  return { child, port: Number(line) };
}

const agent = new Agent({ keepAlive: true, maxSockets: 4 * WATCHERS });

interface Got {
  readonly index: number;
  readonly body: string;
}

function send(method: string, url: string, body = ''): Promise<Got> {
  return new Promise((resolve, reject) => {
    const sent = request(url, { method, agent }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk;
      });
      response.on('end', () => resolve({ index: Number(response.headers['x-consul-index'] ?? 0), body: text }));
    });
    sent.on('error', reject);
    sent.end(body);
  });
}

async function until(check: () => Promise<boolean>): Promise<void> {
  while (!(await check())) await clock.sleep(5);
}

/** Requests answered each second, by a load sender that is a process of its own. */
async function perSecond(url: string, windows: number): Promise<number[]> {
  const script = fileURLToPath(import.meta.resolve('./http-load.ts'));
  const args = [script, url, String(IN_FLIGHT), String(windows), String(WINDOW_MS)];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const samples: number[] = [];
  for await (const line of createInterface(child.stdout)) samples.push(Number(line));
  return samples;
}

async function registered(url: string, count: number): Promise<number[]> {
  const samples: number[] = [];
  for (let run = 0; run < count; run++) {
    const startedAt = clock.monotonic();
    await send('PUT', `${url}/v1/agent/service/register`, service('many', run % 100));
    samples.push(1000 / (clock.monotonic() - startedAt));
  }
  return samples;
}

async function wakes(url: string, count: number): Promise<number[]> {
  const samples: number[] = [];
  await send('PUT', `${url}/v1/agent/service/register`, service('woken', 0));
  await until(async () => (await send('GET', `${url}/v1/health/service/woken`)).body.includes('woken-0'));
  for (let run = 1; run <= count; run++) {
    const { index } = await send('GET', `${url}/v1/health/service/woken`);
    const blocked = send('GET', `${url}/v1/health/service/woken?index=${index}&wait=30s`);
    await clock.sleep(5);
    const startedAt = clock.monotonic();
    const [, , tookMs] = await Promise.all([
      send(
        'PUT',
        `${url}/v1/agent/service/register`,
        JSON.stringify({ Name: 'woken', ID: 'woken-0', Port: 9000 + run }),
      ),
      blocked,
      blocked.then(() => clock.monotonic() - startedAt),
    ]);
    samples.push(tookMs);
  }
  return samples;
}

/** What a process has used: memory in KiB, and processor time in ms. */
function usage(pid: number): { readonly kib: number; readonly cpuMs: number } {
  const kib = Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]);
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ');
  return { kib, cpuMs: (Number(fields[11]) + Number(fields[12])) * 10 };
}

async function watched(url: string, pid: number, idleMs: number): Promise<void> {
  const { index } = await send('GET', `${url}/v1/health/service/web`);
  await clock.sleep(1000);
  const before = usage(pid);
  await clock.sleep(idleMs);
  const alone = usage(pid);
  const watchers = Array.from({ length: WATCHERS }, () =>
    send('GET', `${url}/v1/health/service/web?index=${index}&wait=300s`).catch(() => undefined),
  );
  await clock.sleep(2000);
  const full = usage(pid);
  await clock.sleep(idleMs);
  const after = usage(pid);
  const startedAt = clock.monotonic();
  await send('PUT', `${url}/v1/agent/service/register`, service('web', 10));
  await Promise.all(watchers);
  const percent = (ms: number) => [(100 * ms) / idleMs];
  printFigures(`${WATCHERS} blocked queries`, [
    { name: 'memory', unit: 'KiB each', samples: [(full.kib - alone.kib) / WATCHERS], target: '< 35' },
    {
      name: 'processor while nothing changes',
      unit: '%',
      samples: percent(after.cpuMs - full.cpuMs),
      target: '< 0.23 above the same without them',
    },
    { name: 'processor without them', unit: '%', samples: percent(alone.cpuMs - before.cpuMs) },
    { name: 'until all have been woken', unit: 'ms', samples: [clock.monotonic() - startedAt] },
  ]);
  console.log(`memory of the process: ${Math.round(median([before.kib]) / 1024)} MiB before`);
}
