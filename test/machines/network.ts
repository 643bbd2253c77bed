import { ok, run } from './run.ts';

const BRIDGE = 'br0';

/** The host's address on the machines' network, where etcd listens. */
export const HUB = '172.18.0.1';

/**
 * A network of its own for one set of machines: a bridge inside a network namespace, so that nothing of it touches the
 * host's interfaces and several sets may use the same addresses side by side.
 */
export class Network implements AsyncDisposable {
  readonly name: string;

  private constructor(name: string) {
    this.name = name;
  }

  static async open(name: string): Promise<Network> {
    await ok('ip', ['netns', 'add', name]);
    const network = new Network(name);
    try {
      await network.#ip('link', 'set', 'lo', 'up');
      // Without an address of its own a bridge takes the lowest of its ports', and another one when that machine dies:
      // the others would send to the old one until they ask again who the hub is.
      await network.#ip('link', 'add', BRIDGE, 'address', '02:00:00:00:00:01', 'type', 'bridge');
      await network.#ip('addr', 'add', `${HUB}/16`, 'dev', BRIDGE);
      await network.#ip('link', 'set', BRIDGE, 'up');
    } catch (error) {
      await network[Symbol.asyncDispose]();
      throw error;
    }
    return network;
  }

  /** The command line that runs a command at the hub of this network. */
  inside(command: string, args: readonly string[]): readonly [string, readonly string[]] {
    return ['nsenter', [`--net=/run/netns/${this.name}`, '--', command, ...args]];
  }

  get bridge(): string {
    return BRIDGE;
  }

  /** Cuts a machine off, silently: its cable leads nowhere. */
  async cut(machine: string): Promise<void> {
    await this.#ip('link', 'set', `vb-${machine}`, 'nomaster');
  }

  async heal(machine: string): Promise<void> {
    await this.#ip('link', 'set', `vb-${machine}`, 'master', BRIDGE);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await run('ip', ['netns', 'del', this.name]);
  }

  async #ip(...args: readonly string[]): Promise<void> {
    await ok('ip', ['-n', this.name, ...args]);
  }
}
