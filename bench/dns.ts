/**
 * The DNS server as a process of its own, asked by dnsperf (apt-get install dnsperf). The floor answers each packet with
 * itself: what Node's datagram sockets alone cost. `npm run bench -- dns [--quick]`.
 */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { type Figure, printFigures } from './figures.ts';

const run = promisify(execFile);
const DNSPERF = '/usr/bin/dnsperf';

export async function benchDns(quick: boolean): Promise<void> {
  if (!existsSync(DNSPERF)) {
    console.log('dns: dnsperf is not there: apt-get install dnsperf');
    return;
  }
  const folder = mkdtempSync(path.join(tmpdir(), 'flotilla-bench-dns-'));
  const ask = (port: number, type: string) => perSecond(folder, port, type, quick ? 1 : 3, quick ? 3 : 10);
  try {
    const [floor, server] = [await start('echo'), await start('dns')];
    const echo = { name: 'echo', samples: await ask(floor.port, 'A') };
    const figures: Figure[] = [];
    for (const [type, target] of [
      ['A', '> 40000'],
      ['SRV', '> 11600'],
    ] as const) {
      const samples = await ask(server.port, type);
      figures.push({ name: `${type}, 10 instances`, unit: 'answers/s', samples, target, floor: echo });
    }
    printFigures('DNS over UDP', figures);
    floor.stop();
    server.stop();
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function start(what: 'echo' | 'dns'): Promise<{ port: number; stop(): void }> {
  const script = fileURLToPath(import.meta.resolve('./dns-process.ts'));
  const child = spawn(process.execPath, [script, what], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [line] = await once(child.stdout, 'data');
  return { port: Number(String(line)), stop: () => child.kill() };
}

async function perSecond(folder: string, port: number, type: string, seconds: number, runs: number): Promise<number[]> {
  const questions = path.join(folder, type);
  writeFileSync(questions, `web.service.consul ${type}\n`);
  const args = ['-s', '127.0.0.1', '-p', String(port), '-d', questions, '-l', String(seconds), '-c', '10', '-q', '200'];
  const samples: number[] = [];
  for (let count = 0; count < runs; count++) {
    const { stdout } = await run(DNSPERF, [...args, '-e']);
    samples.push(Number(/Queries per second:\s+([\d.]+)/.exec(stdout)![1]));
  }
  return samples;
}
