import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { freePort } from '../../src/lib/test-free-port.ts';

const root = path.resolve(import.meta.dirname, '../..');
const fleetctlPath: string = path.join(root, 'bin/fleetctl');

export interface CommandResult {
  readonly status: number | null;
  readonly out: string;
  readonly err: string;
}

export interface LabMachine {
  readonly number: number;
  readonly id: string;
  readonly address: string;
  readonly endpoint: string;
  readonly routerPort: number;
  readonly routerTlsPort: number;
  readonly consulPort: number;
  readonly dnsPort: number;
  readonly directory: string;
  readonly state: string;
  readonly pid?: number;
  readonly leader: boolean;
}

/** A lab in a directory and on ports of its own, driven through bin/fleetctl as a person would; gone after `dispose`. */
export class LabFixture {
  readonly folder: string = mkdtempSync(path.join(os.tmpdir(), 'fl-'));
  readonly directory: string = path.join(this.folder, 'lab');
  readonly env: NodeJS.ProcessEnv = { ...process.env, FLOTILLA_LAB: this.directory, NODE_TEST_CONTEXT: undefined };

  /** Starts fleetctl and leaves it running. */
  spawn(...args: string[]): ChildProcess & { output: () => string } {
    const child = spawn(fleetctlPath, args, { env: this.env, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    child.stdout.on('data', (data: Buffer) => (output += data));
    child.stderr.on('data', (data: Buffer) => (output += data));
    return Object.assign(child, { output: () => output });
  }

  /** Runs fleetctl to its end. */
  run(...args: string[]): Promise<CommandResult> {
    const child = spawn(fleetctlPath, args, { env: this.env, stdio: ['ignore', 'pipe', 'pipe'], timeout: 120_000 });
    let out = '';
    let err = '';
    child.stdout.on('data', (data: Buffer) => (out += data));
    child.stderr.on('data', (data: Buffer) => (err += data));
    return new Promise((resolve, reject) => {
      child.once('error', reject).once('close', (status) => resolve({ status, out, err }));
    });
  }

  /** Runs fleetctl, which must succeed without a complaint on stderr; answers its stdout. */
  async ok(...args: string[]): Promise<string> {
    const { status, out, err } = await this.run(...args);
    if (status === 0 && withoutWaits(err) === '') return out;
    const line = `fleetctl ${args.join(' ').slice(0, 500)}`;
    throw new Error(`${line} ended with ${status}:\n${out.slice(-5000)}${err}${this.logs()}`);
  }

  async up(...args: string[]): Promise<string> {
    return await this.ok('lab', 'up', '--detach', '--port', String(await freePort()), ...args);
  }

  async machines(): Promise<LabMachine[]> {
    return (JSON.parse(await this.ok('lab', 'status', '-o', 'json')) as { machines: LabMachine[] }).machines;
  }

  /** The machine on which list-units says the unit is active. */
  async whereActive(unit: string): Promise<LabMachine | undefined> {
    const { status, out } = await this.run('list-units', '--full', '--no-legend', '--fields', 'unit,machine,active');
    if (status !== 0) return undefined;
    const line = out.split('\n').find((row) => row.startsWith(`${unit}\t`) || row.startsWith(`${unit} `));
    const [, machine = '', active] = line?.split(/\s+/) ?? [];
    if (active !== 'active') return undefined;
    return (await this.machines()).find(({ id }) => machine.startsWith(id));
  }

  /** The end of every log, for the message of a failed test. */
  logs(): string {
    const names = ['store.log', 'm1/fleetd.log', 'm2/fleetd.log', 'm3/fleetd.log', 'm4/fleetd.log'];
    return names.map((name) => `\n--- ${name}\n${tail(path.join(this.directory, name))}`).join('');
  }

  async dispose(): Promise<void> {
    await this.run('lab', 'down', '--wipe');
    rmSync(this.folder, { recursive: true, force: true });
  }
}

function tail(file: string): string {
  try {
    return readFileSync(file, 'utf8').split('\n').slice(-12).join('\n');
  } catch {
    return '(none)';
  }
}

export function isAlive(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}

/** Without what `start` says while checks have not passed yet, which depends on how busy the computer is. */
export function withoutWaits(err: string): string {
  return err
    .replace(/^Unit \S+ runs and is waiting for its checks: .*\n/gm, '')
    .replace(/^\d+ more units? (runs and is|run and are) waiting for (its|their) checks\n/gm, '');
}

/** Where a lab's ports begin that no other lab asks for: one whose store is killed must find its port free again. */
export async function freeBase(): Promise<number> {
  for (;;) {
    const base = await freePort();
    if (base < 65_000) return base;
  }
}
