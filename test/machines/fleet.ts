import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { Etcd } from './etcd.ts';
import type { Machine } from './machine.ts';
import { FLOTILLA, MachineSet, machinesProblem, NODE, root } from './machine-set.ts';
import { HUB } from './network.ts';
import { hasProgram, ok, type Ran } from './run.ts';

/** As far as it is used here. */
interface EtcdRange {
  readonly kvs?: readonly { readonly value: string; readonly mod_revision: number }[];
}

export interface FleetOptions {
  readonly machines: number;
  /** Lines of every machine's fleet.conf in addition. */
  readonly settings?: readonly string[];
  /** Files of every machine in addition, by path. */
  readonly files?: Readonly<Record<string, string>>;
  /** See MachineRootOptions. */
  readonly logind?: boolean;
}

/** A row of `fleetctl list-units -o json`. */
export interface UnitRow {
  readonly name: string;
  readonly machineID: string;
  readonly systemdActiveState: string;
  readonly systemdSubState: string;
}

export const AGENT_TTL_MS = 3000;
const PREFIX = '/_coreos.com/fleet/';

const FLEETD = `#!/bin/sh\nexec ${FLOTILLA}/bin/fleetd "$@"\n`;
const FLEETCTL = `#!/bin/sh\nexec ${NODE} ${FLOTILLA}/dist/fleetctl.cjs "$@"\n`;

/** The unit that is installed on machines, for programs that stand elsewhere, and back a little sooner. */
function serviceFile(): string {
  const text = readFileSync(`${root}/init/fleetd.service`, 'utf8');
  return text.replace('/opt/flotilla/bin/fleetd\n', '/opt/bin/fleetd\n').replace('RestartSec=1s', 'RestartSec=100ms');
}

/** A cluster as people run it: fleetd under systemd on machines of their own, and etcd. */
export class Fleet implements AsyncDisposable {
  readonly set: MachineSet;
  readonly etcd: Etcd;
  readonly #options: FleetOptions;

  private constructor(set: MachineSet, options: FleetOptions) {
    this.set = set;
    this.etcd = new Etcd(set.network, set.directory);
    this.#options = options;
  }

  /** Builds the programs where that is needed, starts etcd, and boots the machines side by side. */
  static async open(options: FleetOptions): Promise<Fleet> {
    const { machines } = options;
    await ok(process.execPath, [`${root}/scripts/build.ts`]);
    const fleet = new Fleet(await MachineSet.open(), options);
    try {
      await fleet.etcd.start();
      for (let count = 0; count < machines; count++) await fleet.create();
      await Promise.all(fleet.machines.map((machine) => machine.boot()));
      await fleet.until(`${machines} machines`, async () => (await fleet.machineIds()).length === machines);
    } catch (error) {
      await fleet[Symbol.asyncDispose]();
      throw error;
    }
    return fleet;
  }

  get machines(): readonly Machine[] {
    return this.set.machines;
  }

  /** A machine with fleetd, not switched on. */
  create({ machineId }: { readonly machineId?: string } = {}): Promise<Machine> {
    const number = this.machines.length + 1;
    const conf = [
      `etcd_servers=["http://${HUB}:2379"]`,
      `agent_ttl=${AGENT_TTL_MS}ms`,
      `metadata=number=${number}`,
      ...(this.#options.settings ?? []),
    ];
    return this.set.create({
      files: {
        'etc/fleet/fleet.conf': `${conf.join('\n')}\n`,
        'etc/systemd/system/fleetd.service': serviceFile(),
        ...Object.fromEntries(
          ['fleet.socket', 'fleetd-guard.path', 'fleetd-guard.service'].map((name) => [
            `etc/systemd/system/${name}`,
            readFileSync(`${root}/init/${name}`, 'utf8'),
          ]),
        ),
        'etc/systemd/system/fleet.socket.d/tcp.conf': '[Socket]\nListenStream=49153\n',
        'etc/group': groupFile(),
        'opt/bin/fleetctl': FLEETCTL,
        'opt/bin/fleetd': FLEETD,
        ...this.#options.files,
      },
      wanted: ['fleet.socket', 'fleetd.service'],
      logind: this.#options.logind ?? false,
      ...(machineId === undefined ? {} : { machineId }),
    });
  }

  /** Runs fleetctl on the first machine that runs, unless another is given. */
  fleetctl(args: readonly string[], on?: Machine): Promise<Ran> {
    const machine = on ?? this.machines.find(({ running }) => running)!;
    return machine.exec(['fleetctl', ...args]);
  }

  /** Runs fleetctl, which must succeed; answers its output. */
  async ok(...args: readonly string[]): Promise<string> {
    const { stdout, stderr, status } = await this.fleetctl(args);
    if (status !== 0)
      throw new Error(`fleetctl ${args.join(' ')}: status ${status}\n${stdout}${stderr}${await this.logs()}`);
    return stdout;
  }

  /** Submits and starts a unit from its text, by way of a file on a machine. */
  async start(name: string, text: string, ...flags: readonly string[]): Promise<string> {
    await this.submit(name, text);
    return this.ok('start', ...flags, name);
  }

  submit(name: string, text: string): Promise<void> {
    return this.#withFile(name, text, 'submit');
  }

  /** Starts a unit with another text than it had. */
  replace(name: string, text: string): Promise<void> {
    return this.#withFile(name, text, 'start', '--replace');
  }

  async #withFile(name: string, text: string, ...command: readonly string[]): Promise<void> {
    const machine = this.machines.find(({ running }) => running)!;
    const file = `/tmp/${name}`;
    await machine.ok('sh', '-c', 'printf %s "$2" >"$1"', 'sh', file, text);
    await this.ok(...command, file);
    await machine.ok('rm', file);
  }

  async machineIds(): Promise<readonly string[]> {
    const { stdout, status } = await this.fleetctl(['list-machines', '--full', '--no-legend', '--fields', 'machine']);
    return status === 0
      ? stdout
          .split('\n')
          .filter(Boolean)
          .map((line) => line.trim())
      : [];
  }

  async units(): Promise<readonly UnitRow[]> {
    const { stdout, status } = await this.fleetctl(['list-units', '-o', 'json']);
    return status === 0 ? (JSON.parse(stdout) as UnitRow[]) : [];
  }

  /** Destroys units and waits until nothing is reported of them. */
  async destroy(...names: readonly string[]): Promise<void> {
    await this.ok('destroy', ...names);
    await this.until(`${names.join(' ')} gone`, async () =>
      (await this.units()).every(({ name }) => !names.includes(name)),
    );
  }

  /** Asks a machine's API, with a JSON body where one is given; answers the HTTP status. */
  async request(machine: Machine, method: string, path: string, body?: unknown): Promise<number> {
    const script = `const [url, method, body] = process.argv.slice(1);
      const headers = body ? { 'content-type': 'application/json' } : {};
      fetch(url, { method, headers, ...(body ? { body } : {}) }).then(({ status }) => console.log(status));`;
    const url = `http://${machine.address}:49153/fleet/v1${path}`;
    const answer = await machine.ok(
      NODE,
      '-e',
      script,
      url,
      method,
      ...(body === undefined ? [] : [JSON.stringify(body)]),
    );
    return Number(answer);
  }

  /** The record of the store below the cluster's prefix, as JSON; undefined when there is none. */
  async record(key: string): Promise<{ readonly revision: number; readonly value: unknown } | undefined> {
    const { kvs } = JSON.parse(await this.etcd.ctl('get', '-w', 'json', `${PREFIX}${key}`)) as EtcdRange;
    if (kvs === undefined) return undefined;
    const value: unknown = JSON.parse(Buffer.from(kvs[0]!.value, 'base64').toString());
    return { revision: kvs[0]!.mod_revision, value };
  }

  /** The machine that leads, once there is one. */
  async leader(): Promise<Machine> {
    let leader: Machine | undefined;
    await this.until('a leader', async () => {
      const id = ((await this.record('cluster/leader'))?.value as { machine: string } | undefined)?.machine;
      leader = this.machines.find(({ machineId }) => machineId === id);
      return leader !== undefined;
    });
    return leader!;
  }

  /** The machine on which a unit is reported active. */
  async whereActive(name: string): Promise<Machine | undefined> {
    const row = (await this.units()).find((unit) => unit.name === name && unit.systemdActiveState === 'active');
    return this.machines.find(({ machineId }) => machineId === row?.machineID);
  }

  /** Waits until a unit is active on a machine that `accept` takes; answers the machine and how long it took. */
  async active(name: string, accept: (machine: Machine) => boolean = () => true): Promise<readonly [Machine, number]> {
    const startedAt = performance.now();
    let found: Machine | undefined;
    await this.until(`${name} active`, async () => {
      found = await this.whereActive(name);
      return found !== undefined && accept(found);
    });
    return [found!, performance.now() - startedAt];
  }

  /** Waits until a condition holds; fails with what the machines logged. */
  async until(what: string, holds: () => Promise<boolean>, limitMs = 30_000): Promise<void> {
    const deadline = performance.now() + limitMs;
    while (!(await holds())) {
      if (performance.now() > deadline) throw new Error(`not within ${limitMs} ms: ${what}\n${await this.logs()}`);
      await sleep(50);
    }
  }

  /** The last lines of every fleetd. */
  async logs(): Promise<string> {
    const texts = this.machines.map(async (machine) => {
      if (!machine.running) return `${machine.name} is off\n`;
      const { stdout } = await machine.exec(['journalctl', '--no-pager', '-n', '40', '-u', 'fleetd.service']);
      return `--- ${machine.name}\n${stdout}`;
    });
    return (await Promise.all(texts)).join('');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.etcd[Symbol.asyncDispose]();
    await this.set[Symbol.asyncDispose]();
  }
}

/** The sentence that says why there can be no fleet here, or undefined where there can. */
export function fleetProblem(): string | undefined {
  const missing = hasProgram('etcd') ? undefined : 'missing etcd: apt-get install etcd-server etcd-client';
  return machinesProblem() ?? missing;
}

/** The process that systemd sees as a unit's main one. */
export async function mainPid(machine: Machine, unit: string): Promise<number> {
  return Number((await machine.ok('systemctl', 'show', '--property=MainPID', '--value', unit)).trim());
}

/** The host's groups and the one that the installer makes. */
function groupFile(): string {
  const lines = readFileSync('/etc/group', 'utf8').trimEnd().split('\n');
  return [...lines.filter((line) => !line.startsWith('fleet:')), 'fleet:x:2380:', ''].join('\n');
}
