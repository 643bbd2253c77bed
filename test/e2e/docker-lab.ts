import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import path from 'node:path';
import { DockerHosts } from './docker-daemon.ts';
import { type CommandResult, LabFixture, type LabMachine, withoutWaits } from './lab-fixture.ts';

const BIN: string = path.resolve(import.meta.dirname, '../../bin');
const FLEETCTL: string = path.join(BIN, 'fleetctl');

/** The unit files of the tutorials, in the folders in which a reader of each would have them. */
const TUTORIALS: string = path.join(import.meta.dirname, 'fixtures/tutorials');

/** A lab whose machines have each a docker of their own, at the place where units look for it. */
export class DockerLab extends LabFixture {
  readonly hosts: DockerHosts;

  private constructor(hosts: DockerHosts) {
    super();
    this.hosts = hosts;
  }

  static async start(count: number): Promise<DockerLab> {
    const lab = new DockerLab(await DockerHosts.start(count));
    try {
      // Each machine is started within the mounts of its docker, which its units inherit.
      for (let number = 1; number <= count; number++)
        await lab.okOn(number, 'lab', 'up', '--detach', '--machines', String(number));
      return lab;
    } catch (error) {
      await lab.dispose();
      throw error;
    }
  }

  /** Machines as they are on one computer: they share its docker, and are within this process's network. */
  static async startShared(count: number): Promise<DockerLab> {
    const lab = new DockerLab(await DockerHosts.start(1, 'ours'));
    try {
      await lab.okOn(1, 'lab', 'up', '--detach', '--machines', String(count));
      return lab;
    } catch (error) {
      await lab.dispose();
      throw error;
    }
  }

  /** Runs fleetctl where a machine's docker is at /var/run/docker.sock; it must succeed. */
  async okOn(number: number, ...args: string[]): Promise<string> {
    const [program, line] = this.hosts.within(number, FLEETCTL, args);
    const { status, out, err } = await this.#finish(spawn(program, line, { env: this.env, timeout: 60_000 }));
    if (status === 0) return out;
    throw new Error(`fleetctl ${args.join(' ')} ended with ${status}:\n${out}${err}${this.logs()}`);
  }

  /** Runs a line as typed by the reader of a tutorial, in a folder with its unit files. */
  type(folder: string, line: string): Promise<CommandResult> {
    const env = { ...this.env, PATH: `${BIN}:${process.env['PATH']}` };
    return this.#finish(spawn('bash', ['-c', line], { cwd: path.join(TUTORIALS, folder), env, timeout: 60_000 }));
  }

  /** The same of a line that has to succeed without a word on stderr; answers its stdout. */
  async typed(folder: string, line: string): Promise<string> {
    const { status, out, err } = await this.type(folder, line);
    if (status === 0 && withoutWaits(err) === '') return out;
    throw new Error(`${line} ended with ${status}:\n${out}${err}${this.logs()}`);
  }

  #finish(child: ChildProcessWithoutNullStreams): Promise<CommandResult> {
    return new Promise((resolve, reject) => {
      let [out, err] = ['', ''];
      child.stdout.on('data', (data: Buffer) => (out += data));
      child.stderr.on('data', (data: Buffer) => (err += data));
      child.once('error', reject).once('close', (status) => resolve({ status, out, err }));
    });
  }

  /** The machine and its docker lose their power. */
  async powerOff(...numbers: number[]): Promise<void> {
    await Promise.all(numbers.map((number) => this.hosts.powerOff(number)));
    await this.ok('lab', 'kill', ...numbers.map(String));
  }

  /** The machine comes back, its docker first, as at boot. */
  async powerOn(number: number, verb: 'revive' | 'restore' = 'revive'): Promise<void> {
    await this.hosts.powerOn(number);
    await this.okOn(number, 'lab', verb, String(number));
  }

  /** What list-units shows: each unit's machine by number, and `active running` and the like. */
  async units(): Promise<Map<string, { machine: number; state: string }>> {
    const machines = await this.machines();
    const lines = (await this.ok('list-units', '--no-legend')).split('\n').slice(0, -1);
    return new Map(
      lines.map((line) => {
        const [unit = '', machine, ...state] = line.split(/\t+/);
        const number = machines.find((candidate) => legend(candidate) === machine)?.number ?? 0;
        return [unit, { machine: number, state: state.join(' ') }];
      }),
    );
  }

  override async dispose(): Promise<void> {
    await super.dispose();
    await this.hosts.dispose();
  }
}

/** `0b9fd6f8.../127.0.1.4`, as fleetctl writes a machine. */
export function legend({ id, address }: LabMachine): string {
  return `${id.slice(0, 8)}.../${address}`;
}
