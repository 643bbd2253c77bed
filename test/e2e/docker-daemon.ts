import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { until } from '../../src/lib/test-until.ts';
import { IMAGES, packBusybox } from './docker-images.ts';
import { isAlive } from './lab-fixture.ts';
import { firstChild, removeGroups, whyNotHere } from './namespaces.ts';

const run = promisify(execFile);

/** Beside docker's own programs these are what a docker per machine is made of. */
const PROGRAMS: readonly string[] = [
  '/usr/bin/docker',
  'dockerd',
  'docker-registry',
  'busybox',
  'unshare',
  'nsenter',
  'setpriv',
  'mount',
  'ip',
  'tar',
];

/** In each machine's own network, so the same port everywhere. */
const REGISTRY = '127.0.0.1:5000';

/** What keeps docker from being run here, see whyNotHere. */
export function whyNoDocker(): string | undefined {
  return whyNotHere('docker', PROGRAMS);
}

/** A network for each dockerd, or that of this process, see enterOwnNetwork. */
export type DockerNetwork = 'own' | 'ours';

/**
 * A dockerd for each machine of a lab, as machines of the tutorials have. Each runs with a registry in namespaces of its
 * own (processes, network, mounts), so containers of the same name on several machines do not meet, killing one process
 * is that machine's loss of power, and a docker of this computer's own is never touched. `docker pull` gets the
 * tutorials' images from the registries, which share one directory.
 */
export class DockerHosts {
  readonly folder: string = mkdtempSync(path.join(os.tmpdir(), 'fl-docker-'));
  readonly #network: DockerNetwork;
  readonly #processes = new Map<number, ChildProcess>();

  private constructor(network: DockerNetwork) {
    this.#network = network;
  }

  static async start(count: number, network: DockerNetwork = 'own'): Promise<DockerHosts> {
    const hosts = new DockerHosts(network);
    try {
      const numbers = Array.from({ length: count }, (_, i) => i + 1);
      const images = hosts.powerOn(1).then(() => hosts.#publishImages());
      await Promise.all([images, ...numbers.slice(1).map((number) => hosts.powerOn(number))]);
      return hosts;
    } catch (error) {
      await hosts.dispose();
      throw error;
    }
  }

  /** Starts the machine's dockerd and registry; what it holds on disk is still there. */
  async powerOn(number: number): Promise<void> {
    const home = path.join(this.folder, String(number));
    mkdirSync(home, { recursive: true });
    const config = path.join(this.folder, 'registry.yml');
    if (!existsSync(config)) writeFileSync(config, registryConfig(path.join(this.folder, 'registry')));
    const boot = [
      'set -e',
      'ip link set lo up',
      `docker-registry serve ${config} &`,
      `echo $! >${home}/registry.pid`,
      // What a machine keeps in /run does not survive its loss of power.
      `rm -rf ${home}/exec ${home}/dockerd.pid`,
      // Told to end, or killed, it is started again as by its systemd, though not while it is to be away; what it cannot
      // start with ends the machine.
      'until',
      `  dockerd -H unix://${this.socket(number)} --data-root ${home}/data --exec-root ${home}/exec \\`,
      `    --pidfile ${home}/dockerd.pid --registry-mirror http://${REGISTRY} --cgroup-parent ${this.#cgroup()}`,
      '  [ $? -eq 1 ]',
      `do while [ -e ${this.#away(number)} ]; do sleep 0.1; done; done`,
    ].join('\n');
    const log = openSync(this.#log(number), 'a');
    const spaces = ['-m', ...(this.#network === 'own' ? ['-n'] : []), '-p', '--fork', '--kill-child', '--mount-proc'];
    const process = spawn('unshare', [...spaces, 'sh', '-c', boot], { stdio: ['ignore', log, log], detached: true });
    closeSync(log);
    this.#processes.set(number, process);
    await this.#untilAnswers(number);
  }

  /** Ends the machine's dockerd by that signal, and resolves when the next one answers, which is started after `meanwhile`. */
  async restartDaemon(number: number, signal: 'TERM' | 'KILL', meanwhile = async () => {}): Promise<void> {
    const before = this.#pid(number, 'dockerd');
    writeFileSync(this.#away(number), '');
    try {
      await this.#kill(number, signal, before);
      await meanwhile();
    } finally {
      rmSync(this.#away(number));
    }
    await until('another dockerd runs', () => ![before, ''].includes(this.#pid(number, 'dockerd')));
    await this.#untilAnswers(number);
  }

  /** Ends the machine's registry, so that its docker can pull no image. */
  closeRegistry(number: number): Promise<void> {
    return this.#kill(number, 'TERM', this.#pid(number, 'registry'));
  }

  /** Every process of the machine's docker and all containers end at once. */
  async powerOff(number: number): Promise<void> {
    const process = this.#processes.get(number);
    if (process === undefined) return;
    this.#processes.delete(number);
    const first = firstChild(process.pid!);
    process.kill('SIGKILL');
    await until('docker ends', () => !isAlive(process.pid!) && (first === undefined || !isAlive(first)));
  }

  /** Runs docker on a machine; answers what it printed. */
  async docker(number: number, ...args: string[]): Promise<string> {
    const { stdout } = await run('/usr/bin/docker', ['-H', `unix://${this.socket(number)}`, ...args]);
    return stdout.trimEnd();
  }

  /** What `curl localhost:PORT` prints on that machine. */
  async fetch(number: number, port: string): Promise<string> {
    const wget = ['busybox', 'wget', '-q', '-O', '-', `http://127.0.0.1:${port}/`];
    return (await run('nsenter', ['-t', this.#first(number), '-n', ...wget])).stdout.trimEnd();
  }

  /** The command line that runs a program which finds the machine's docker at /var/run/docker.sock. */
  within(number: number, program: string, args: readonly string[]): [string, string[]] {
    const script = 'mount -t tmpfs tmpfs /run && ln -s "$0" /run/docker.sock && exec "$@"';
    return ['unshare', ['-m', 'sh', '-c', script, this.socket(number), program, ...args]];
  }

  logs(number: number): string {
    return readFileSync(this.#log(number), 'utf8').split('\n').slice(-10).join('\n');
  }

  async dispose(): Promise<void> {
    await Promise.all([...this.#processes.keys()].map((number) => this.powerOff(number)));
    await removeGroups(this.#cgroup());
    rmSync(this.folder, { recursive: true, force: true });
  }

  async #publishImages(): Promise<void> {
    const archive = packBusybox(this.folder);
    for (const [name, changes] of Object.entries(IMAGES)) {
      const tag = `${REGISTRY}/${name}:latest`;
      await this.docker(1, 'import', ...changes.flatMap((change) => ['--change', change]), archive, tag);
      await this.docker(1, 'push', '--quiet', tag);
      await this.docker(1, 'rmi', tag);
    }
  }

  async #untilAnswers(number: number): Promise<void> {
    const process = this.#processes.get(number)!;
    await until(`dockerd ${number} answers`, async () => {
      if (process.exitCode !== null) throw new Error(`dockerd ${number} ended:\n${this.logs(number)}`);
      return await this.docker(number, 'version').catch(() => false);
    });
  }

  /** As the machine numbers its processes; empty while there is none. */
  #pid(number: number, program: 'dockerd' | 'registry'): string {
    const file = path.join(this.folder, String(number), `${program}.pid`);
    return existsSync(file) ? readFileSync(file, 'utf8').trim() : '';
  }

  async #kill(number: number, signal: string, pid: string): Promise<void> {
    await run('nsenter', ['-t', this.#first(number), '-p', 'sh', '-c', `kill -${signal} ${pid}`]);
  }

  /** The process in whose namespaces the machine's docker lives. */
  #first(number: number): string {
    return String(firstChild(this.#processes.get(number)!.pid!));
  }

  /** Of the machine's docker. */
  socket(number: number): string {
    return path.join(this.folder, String(number), 'docker.sock');
  }

  #log(number: number): string {
    return path.join(this.folder, String(number), 'log');
  }

  /** Is there while no dockerd is to be started. */
  #away(number: number): string {
    return path.join(this.folder, String(number), 'away');
  }

  #cgroup(): string {
    return path.basename(this.folder);
  }
}

function registryConfig(directory: string): string {
  return `version: 0.1\nlog: {level: error}\nstorage: {filesystem: {rootdirectory: ${directory}}}\nhttp: {addr: ${REGISTRY}}\n`;
}
