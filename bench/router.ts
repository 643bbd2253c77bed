import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { silentLog, systemClock } from '../src/lib/index.ts';
import { openHaproxyPlane } from '../src/router/haproxy/index.ts';
import { type Backend, type RouterSettings, type RouteTable, renderNginx } from '../src/router/index.ts';
import { SETTINGS } from '../src/router/test-router.ts';
import { printFigures, quantile } from './figures.ts';

const CONNECTIONS = 64;
const BACKENDS = 10;
const HOST = 'web.example.com';

/** Something in front of the backends, to be measured. */
interface Front {
  readonly name: string;
  readonly port: number;
  /** Whose CPU time its requests cost. */
  readonly pid?: number;
}

interface Load {
  readonly perSecond: number;
  readonly p99Ms: number;
  /** CPU time of the front for each request. */
  readonly cpuUs: number;
}

/** Requests a second through the router's planes beside nginx and plain HAProxy, and the time they add. */
export async function benchRouter(quick: boolean): Promise<void> {
  const missing = ['nginx', 'haproxy', 'wrk'].filter(
    (name) => spawnSync('sh', ['-c', `command -v ${name}`]).status !== 0,
  );
  if (missing.length > 0) {
    console.log(`\nrouter: left out, ${missing.join(' and ')} not installed (apt install nginx-light haproxy wrk)`);
    return;
  }
  const directory = mkdtempSync(path.join(os.tmpdir(), 'bench-router-'));
  const children: ChildProcess[] = [];
  const run = (command: string, args: string[]) => {
    const child = spawn(command, args, { stdio: ['ignore', 'ignore', 'inherit'] });
    children.push(child);
    return child;
  };
  const ports = await freePorts(BACKENDS + 4);
  const backends = ports.slice(0, BACKENDS);
  const [processPort, planePort, haproxyPort, nginxPort] = ports.slice(BACKENDS) as [number, number, number, number];
  run('nginx', nginxArguments(directory, 'backends', backendServers(backends)));
  const table = tableOf(backends);
  const routes = renderNginx(table).replaceAll('listen 80;', `listen 127.0.0.1:${nginxPort};`);
  const nginx = run('nginx', nginxArguments(directory, 'proxy', routes));
  const haproxyFile = path.join(directory, 'plain.cfg');
  writeFileSync(haproxyFile, plainHaproxy(haproxyPort, backends));
  run('haproxy', ['-db', '-f', haproxyFile]);
  const settings = settingsFor(planePort);
  const common = { table, clock: systemClock, log: silentLog };
  const haproxyDirectory = path.join(directory, 'plane');
  mkdirSync(haproxyDirectory);
  const plane = await openHaproxyPlane({
    ...common,
    settings: { ...settings, plane: 'haproxy' },
    directory: haproxyDirectory,
    onEnd: () => {},
  });
  const own = run(process.execPath, [
    ...process.execArgv,
    path.join(import.meta.dirname, 'router-child.ts'),
    JSON.stringify({ ...settingsFor(processPort) }),
    JSON.stringify(table),
  ]);
  try {
    const fronts = {
      process: { name: 'in process', port: processPort, pid: own.pid! },
      nginx: { name: 'nginx', port: nginxPort, pid: childOf(nginx.pid!) },
      plane: { name: 'HAProxy plane', port: planePort },
      haproxy: { name: 'plain HAProxy', port: haproxyPort },
      direct: { name: 'backend itself', port: backends[0]! },
    } as const satisfies Record<string, Front>;
    for (const { port } of Object.values(fronts)) await listening(port);
    await measure(fronts, quick);
  } finally {
    await plane.close(0);
    for (const child of children) child.kill();
    await Promise.all(children.map((child) => child.exitCode ?? child.signalCode ?? once(child, 'exit')));
    rmSync(directory, { recursive: true, force: true });
  }
}

type Fronts = Readonly<Record<'process' | 'nginx' | 'plane' | 'haproxy' | 'direct', Front>>;

async function measure(fronts: Fronts, quick: boolean): Promise<void> {
  const rounds = quick ? 2 : 5;
  const seconds = quick ? 1 : 3;
  const full = new Map<string, Load[]>();
  const half = new Map<string, Load[]>();
  for (const front of Object.values(fronts)) load(front, 1);
  // In turns, so that what else the machine does meets all of them.
  for (let round = 0; round < rounds; round++)
    for (const front of Object.values(fronts)) push(full, front.name, load(front, seconds));
  const rate =
    quantile(
      full.get(fronts.process.name)!.map(({ perSecond }) => perSecond),
      0.5,
    ) / 2;
  for (let round = 0; round < rounds; round++)
    for (const front of Object.values(fronts)) push(half, front.name, load(front, seconds, rate));
  const of = (map: Map<string, Load[]>, front: Front, key: keyof Load) => map.get(front.name)!.map((one) => one[key]);
  const beside = (front: Front, key: keyof Load) => ({ name: front.name, samples: of(full, front, key) });
  printFigures(`router, ${BACKENDS} backends, ${CONNECTIONS} connections, keep-alive`, [
    {
      name: 'in process',
      unit: 'requests/s',
      samples: of(full, fronts.process, 'perSecond'),
      target: '>= 20000, 0.35 × nginx',
      floor: beside(fronts.nginx, 'perSecond'),
    },
    {
      name: 'in process, CPU of a request',
      unit: 'µs',
      samples: of(full, fronts.process, 'cpuUs'),
      floor: beside(fronts.nginx, 'cpuUs'),
    },
    {
      name: 'HAProxy plane',
      unit: 'requests/s',
      samples: of(full, fronts.plane, 'perSecond'),
      target: '>= 0.9 × plain',
      floor: beside(fronts.haproxy, 'perSecond'),
    },
    ...[fronts.process, fronts.plane, fronts.nginx].map((front) => ({
      name: `${front.name}, p99 at ${Math.round(rate)}/s`,
      unit: 'ms',
      samples: of(half, front, 'p99Ms'),
      ...(front === fronts.nginx ? {} : { target: 'less than 3 ms more' }),
      floor: { name: fronts.direct.name, samples: of(half, fronts.direct, 'p99Ms') },
    })),
  ]);
}

function push(map: Map<string, Load[]>, name: string, one: Load): void {
  map.set(name, [...(map.get(name) ?? []), one]);
}

/** Runs wrk: as fast as it goes, or at about so many requests a second. */
function load({ port, pid }: Front, seconds: number, rate?: number): Load {
  const before = pid === undefined ? 0 : cpuTicks(pid);
  const script = path.join(os.tmpdir(), `wrk-${process.pid}.lua`);
  const delay =
    rate === undefined ? '' : `function delay() return math.floor(${(2000 * CONNECTIONS) / rate} * math.random()) end`;
  writeFileSync(script, `${delay}\nwrk.headers["Host"] = "${HOST}"\n`);
  const args = ['-t1', `-c${CONNECTIONS}`, `-d${seconds}s`, '--latency', '-s', script, `http://127.0.0.1:${port}/`];
  const out = execFileSync('wrk', args, { encoding: 'utf8' });
  rmSync(script);
  const [, amount, unit] = /99%\s+([\d.]+)(us|ms|s)/.exec(out)!;
  const errors = /Non-2xx or 3xx responses: (\d+)/.exec(out)?.[1];
  if (errors) throw new Error(`${errors} requests failed at port ${port}`);
  const requests = Number(/(\d+) requests in/.exec(out)![1]);
  const ticks = pid === undefined ? Number.NaN : cpuTicks(pid) - before;
  return {
    perSecond: Number(/Requests\/sec:\s+([\d.]+)/.exec(out)![1]),
    p99Ms: Number(amount) * (unit === 'us' ? 0.001 : unit === 's' ? 1000 : 1),
    cpuUs: (ticks * 10_000) / requests,
  };
}

/** User and system time of a process in hundredths of a second. */
function cpuTicks(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ')[1]!.split(' ');
  return Number(fields[11]) + Number(fields[12]);
}

function childOf(pid: number): number {
  for (let attempt = 0; attempt < 200; attempt++) {
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1').trim();
    if (children !== '') return Number(children.split(' ')[0]);
    spawnSync('sleep', ['0.01']);
  }
  throw new Error(`process ${pid} starts no worker`);
}

async function listening(port: number): Promise<void> {
  for (let attempt = 0; attempt < 500; attempt++) {
    const socket = net.connect({ host: '127.0.0.1', port });
    const open = await new Promise<boolean>((resolve) =>
      socket.once('connect', () => resolve(true)).once('error', () => resolve(false)),
    );
    socket.destroy();
    if (open) return;
    await sleep(20);
  }
  throw new Error(`nothing listens at port ${port}`);
}

async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => net.createServer().listen(0, '127.0.0.1'));
  await Promise.all(servers.map((server) => once(server, 'listening')));
  const ports = servers.map((server) => (server.address() as net.AddressInfo).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

function nginxArguments(directory: string, name: string, http: string): string[] {
  const own = path.join(directory, name);
  mkdirSync(own);
  const places = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (kind) => `${kind}_temp_path ${own}/${kind};`,
  );
  const text = `daemon off; worker_processes 1; pid ${own}/pid; error_log ${own}/error.log crit;
events { worker_connections 4096; }
http { access_log off; keepalive_requests 100000000; ${places.join(' ')}
${http} }`;
  writeFileSync(path.join(own, 'nginx.conf'), text);
  return ['-p', own, '-c', path.join(own, 'nginx.conf')];
}

function backendServers(ports: readonly number[]): string {
  const listens = ports.map((port) => `listen 127.0.0.1:${port};`);
  return `server { ${listens.join(' ')} location / { return 200 "hello from a backend\\n"; } }`;
}

function plainHaproxy(port: number, backends: readonly number[]): string {
  return `defaults
    mode http
    timeout connect 3s
    timeout client 60s
    timeout server 60s
frontend f
    bind 127.0.0.1:${port}
    default_backend b
backend b
    balance leastconn
${backends.map((backend, index) => `    server s${index} 127.0.0.1:${backend}`).join('\n')}
`;
}

function tableOf(ports: readonly number[]): RouteTable {
  const backends: Backend[] = ports.map((port) => ({
    id: `m/${port}`,
    machine: 'm',
    address: '127.0.0.1',
    port,
    weight: 1,
  }));
  return {
    revision: 1,
    machines: ['m'],
    problems: [],
    routes: [{ host: 'web.*', path: '/', service: 'web', backends }],
  };
}

function settingsFor(port: number): RouterSettings {
  return { ...SETTINGS, listen: [{ host: '127.0.0.1', port }] };
}
