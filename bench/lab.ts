import { execFile, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

const FLEETCTL = path.resolve(import.meta.dirname, '../bin/fleetctl');

export interface LabMachineStatus {
  readonly number: number;
  readonly id: string;
  readonly endpoint: string;
  readonly state: string;
  readonly leader: boolean;
  readonly pid: number;
}

export interface Ran {
  readonly ms: number;
  readonly stdout: string;
  readonly code: number;
}

/** A lab of its own in a temporary directory, driven by the real fleetctl as a user would. */
export class BenchLab {
  readonly directory = mkdtempSync(path.join(tmpdir(), 'flotilla-bench-'));
  readonly units = mkdtempSync(path.join(tmpdir(), 'flotilla-bench-units-'));
  readonly #env = { ...process.env, FLOTILLA_LAB: this.directory, FLEETCTL_ENDPOINT: undefined };

  async up(): Promise<void> {
    await this.fleetctl('lab', 'up', '--detach');
  }

  async down(): Promise<void> {
    await this.fleetctl('lab', 'down', '--wipe');
    rmSync(this.directory, { recursive: true, force: true });
    rmSync(this.units, { recursive: true, force: true });
  }

  /** Writes a unit file and answers its path. */
  unit(name: string, text: string): string {
    const file = path.join(this.units, name);
    writeFileSync(file, text);
    return file;
  }

  /** Runs fleetctl to its end; rejects when it fails. */
  async fleetctl(...args: string[]): Promise<Ran> {
    const ran = await this.run(FLEETCTL, args);
    if (ran.code !== 0) throw new Error(`fleetctl ${args.join(' ')} exited with ${ran.code}: ${ran.stdout}`);
    return ran;
  }

  run(command: string, args: readonly string[]): Promise<Ran> {
    const startMs = performance.now();
    return new Promise((resolve) => {
      execFile(command, args, { env: this.#env, maxBuffer: 1 << 28 }, (error, stdout, stderr) => {
        const code = typeof error?.code === 'number' ? error.code : error ? 1 : 0;
        resolve({ ms: performance.now() - startMs, stdout: code === 0 ? stdout : stdout + stderr, code });
      });
    });
  }

  async machines(): Promise<LabMachineStatus[]> {
    const { machines } = JSON.parse((await this.fleetctl('lab', 'status', '-o', 'json')).stdout) as {
      machines: LabMachineStatus[];
    };
    return machines;
  }

  storeEndpoint(): string {
    const state = JSON.parse(readFileSync(path.join(this.directory, 'lab.json'), 'utf8')) as {
      store: { endpoint: string };
    };
    return state.store.endpoint;
  }
}

/** Starts `count` times `sleep infinity` by hand, ends them again, and answers the milliseconds until all ran. */
export async function spawnSleeps(count: number): Promise<number> {
  const startMs = performance.now();
  const children = Array.from({ length: count }, () =>
    spawn('sleep', ['infinity'], { stdio: 'ignore', detached: true }),
  );
  await Promise.all(children.map((child) => new Promise((resolve) => child.once('spawn', resolve))));
  const ms = performance.now() - startMs;
  for (const child of children) child.kill('SIGKILL');
  return ms;
}

/**
 * Processor time that a process has used so far, in seconds; of /proc/PID/stat, in clock ticks of 10 ms. `root` is that of
 * the machine the process id belongs to.
 */
export function cpuSeconds(pid: number, root = ''): number {
  const fields = readFileSync(`${root}/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

/** Resident memory of a process in MB. */
export function residentMb(pid: number, root = ''): number {
  const match = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`${root}/proc/${pid}/status`, 'utf8'));
  return Number(match?.[1] ?? 0) / 1024;
}
