import http from 'node:http';
import { commandName } from './command-name.ts';
import { labPaths } from './lab-directory.ts';
import type { LabIo } from './lab-io.ts';
import type { LabState } from './lab-state.ts';
import { isAlive } from './process-identity.ts';
import { countRestarts } from './store-keeper.ts';

export interface MachineStatus {
  readonly number: number;
  readonly id: string;
  readonly state: string;
  readonly address: string;
  readonly endpoint: string;
  readonly routerPort?: number;
  readonly routerTlsPort?: number;
  readonly consulPort?: number;
  readonly dnsPort?: number;
  readonly socket?: string;
  readonly directory: string;
  readonly pid?: number;
  readonly leader: boolean;
}

export interface LabStatus {
  readonly directory: string;
  readonly store: {
    readonly endpoint: string;
    /** `starting`: it ended by itself and is being restarted. */
    readonly state: 'up' | 'starting' | 'dead';
    readonly pid?: number;
    /** The number of restarts since the lab was started. */
    readonly restarts: number;
  };
  readonly machines: readonly MachineStatus[];
}

/** Describes the lab as it is now; asks a live machine who leads. */
export async function labStatus(lab: string, state: LabState): Promise<LabStatus> {
  const storeUp = isAlive(state.store);
  const leader = storeUp ? await findLeader(state) : undefined;
  return {
    directory: lab,
    store: {
      endpoint: state.store.endpoint,
      state: storeUp ? 'up' : isAlive(state.store.keeper) ? 'starting' : 'dead',
      restarts: countRestarts(lab),
      ...(storeUp ? { pid: state.store.pid } : {}),
    },
    machines: state.machines.map(({ startTime: _, pid, ...machine }) => ({
      ...machine,
      ...(machine.state === 'up' ? { pid } : {}),
      leader: machine.id === leader,
    })),
  };
}

/** Returns the id of the machine that leads, as stated by the first machine that responds. */
async function findLeader(state: LabState): Promise<string | undefined> {
  const living = state.machines.filter((machine) => machine.state === 'up');
  for (const { endpoint } of living) {
    const leader = await askForLeader(endpoint);
    if (leader !== undefined) return leader;
  }
  return undefined;
}

/**
 * Reads the leader from the event stream, which begins with the units asked for: naming one that does not exist keeps
 * that part short.
 */
function askForLeader(endpoint: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const request = http.get(`${endpoint}/fleet/v1/events?unit=none.service`, { timeout: 1000 }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk;
        const ready = /^data: ?(.*"type":"ready".*)$/m.exec(text)?.[1];
        if (ready === undefined) return;
        resolve((JSON.parse(ready) as { leader?: string }).leader);
        request.destroy();
      });
      response.on('close', () => resolve(undefined));
    });
    request.on('timeout', () => request.destroy()).on('error', () => resolve(undefined));
  });
}

/** Prints one line per machine. */
export function printStatus({ directory, store, machines }: LabStatus, io: LabIo): void {
  const rows = [
    ['NUMBER', 'MACHINE', 'ADDRESS', 'STATE', 'API', 'LEADER'],
    ...machines.map(({ number, id, address, state, endpoint, leader }) => [
      String(number),
      `${id.slice(0, 8)}...`,
      address,
      state,
      state === 'up' ? endpoint : '-',
      leader ? 'leader' : '-',
    ]),
  ];
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  for (const row of rows)
    io.out(
      `${row
        .map((cell, column) => cell.padEnd(widths[column]!))
        .join('  ')
        .trimEnd()}\n`,
    );
  io.out(`store: ${store.state}, ${store.endpoint} (etcd v3 API); directory: ${directory}\n`);
  if (store.restarts > 0)
    io.out(
      `The store ended by itself and was started again (${store.restarts}×): see ${labPaths.storeLog(directory)}\n`,
    );
  printOffers(machines, io);
  const hint = whatToDo({ directory, store, machines }, commandName(io.env));
  if (hint !== undefined) io.out(`${hint}\n`);
}

/** Prints the addresses at which services can be reached and looked up. */
function printOffers(machines: readonly MachineStatus[], io: LabIo): void {
  const up = machines.filter(({ state }) => state === 'up');
  const at = (port: (machine: MachineStatus) => number | undefined, show: (address: string, port: number) => string) =>
    up.flatMap((machine) => {
      const own = port(machine);
      return own === undefined ? [] : [show(machine.address, own)];
    });
  const url = (address: string, port: number) => `http://${address}${port === 80 ? '' : `:${port}`}`;
  const secure = (address: string, port: number) => `https://${address}${port === 443 ? '' : `:${port}`}`;
  const offers = {
    'HTTP for services NAME.*': at(({ routerPort }) => routerPort, url),
    'HTTPS, once `fleetctl router certificates add` was used': at(({ routerTlsPort }) => routerTlsPort, secure),
    "Consul's API": at(({ consulPort }) => consulPort, url),
    DNS: at(
      ({ dnsPort }) => dnsPort,
      (address, port) => `${address}:${port}`,
    ),
  };
  for (const [what, places] of Object.entries(offers)) if (places.length > 0) io.out(`${what}: ${places.join(', ')}\n`);
}

/** Returns the command to go on with when not everything is up. */
function whatToDo({ store, machines }: LabStatus, fleetctl: string): string | undefined {
  const off = machines.filter(({ state }) => state !== 'up');
  if (store.state === 'dead' && off.length === machines.length)
    return `Nothing runs; start it with: ${fleetctl} lab up`;
  if (store.state === 'dead') return `The store is dead; bring it back with: ${fleetctl} lab restore`;
  if (off.length === 0) return undefined;
  return `Bring back what is dead with: ${fleetctl} lab revive ${off.map(({ number }) => number).join(' ')}`;
}
