import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { until } from '../../src/lib/test-until.ts';
import { packBusybox } from './docker-images.ts';
import { isAlive } from './lab-fixture.ts';
import { firstChild, removeGroups, whyNotHere } from './namespaces.ts';

const run = promisify(execFile);

const PROGRAMS: readonly string[] = ['podman', 'busybox', 'unshare', 'nsenter', 'mount', 'ip', 'tar'];

/** What a machine has for itself: its network, and what podman would leave on this computer. */
const BOOT = `
ip link set lo up
for directory in /run /var/lib/cni; do mkdir -p $directory && mount -t tmpfs tmpfs $directory; done
touch "$0"
sleep infinity
:`;

/** What keeps podman from being run here, see whyNotHere. */
export function whyNoPodman(): string | undefined {
  return whyNotHere('podman', PROGRAMS);
}

/** A machine with podman, in namespaces and with containers of its own. */
export class PodmanHost {
  readonly folder: string = mkdtempSync(path.join(os.tmpdir(), 'fl-podman-'));
  /** Of the service, which answers as docker does. */
  readonly socket: string = path.join(this.folder, 'podman.sock');
  readonly #machine: ChildProcess;
  #service: ChildProcess | undefined;

  private constructor() {
    const spaces = ['-m', '-n', '-p', '--fork', '--kill-child', '--mount-proc'];
    this.#machine = spawn('unshare', [...spaces, 'sh', '-ec', BOOT, this.#ready], { stdio: 'ignore' });
  }

  /** Without its service, but with the image `app`, a web server at port 5000. */
  static async start(): Promise<PodmanHost> {
    const host = new PodmanHost();
    try {
      await until('the machine is up', () => existsSync(host.#ready));
      const changes = ['EXPOSE 5000', 'ENV PORT=5000', 'CMD ["/app"]'].flatMap((change) => ['--change', change]);
      await host.podman('import', ...changes, packBusybox(host.folder), 'app');
      return host;
    } catch (error) {
      await host.dispose();
      throw error;
    }
  }

  /** Runs podman; answers what it printed. */
  async podman(...args: string[]): Promise<string> {
    return (await run(...this.#inside(args))).stdout.trimEnd();
  }

  /** Starts a container of `app` in the background, its port published on one of the machine's. */
  async run(name: string, ...options: string[]): Promise<void> {
    const group = ['--cgroup-parent', path.basename(this.folder)];
    await this.podman('run', '-d', '-P', ...group, '--name', name, ...options, 'app');
  }

  /** Lets it answer at its socket, a moment later. */
  startService(): void {
    const line = this.#inside(['system', 'service', '--time', '0', `unix://${this.socket}`]);
    this.#service = spawn(...line, { stdio: 'ignore' });
  }

  /** Ends the service; containers run on. */
  async stopService(): Promise<void> {
    const ended = once(this.#service!, 'exit');
    process.kill(firstChild(this.#service!.pid!)!, 'SIGTERM');
    await ended;
  }

  /** Ends everything on the machine, and removes it. */
  async dispose(): Promise<void> {
    const first = firstChild(this.#machine.pid!);
    this.#machine.kill('SIGKILL');
    await until('podman ends', () => first === undefined || !isAlive(first));
    await removeGroups(path.basename(this.folder));
    rmSync(this.folder, { recursive: true, force: true });
  }

  get #ready(): string {
    return path.join(this.folder, 'ready');
  }

  #inside(args: readonly string[]): [string, string[]] {
    const at = (name: string) => path.join(this.folder, name);
    const places = ['--root', at('root'), '--runroot', at('runroot'), '--tmpdir', at('tmp')];
    const settings = ['--events-backend', 'file', '--cgroup-manager', 'cgroupfs'];
    const namespaces = ['-t', String(firstChild(this.#machine.pid!)), '-m', '-n', '-p'];
    return ['nsenter', [...namespaces, 'podman', ...places, ...settings, ...args]];
  }
}
