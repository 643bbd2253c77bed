import { isRouted } from '../router/index.ts';
import { machinePaths } from './lab-directory.ts';
import type { LabIo } from './lab-io.ts';
import type { LabMachine, LabState } from './lab-state.ts';
import { freePort } from './ports.ts';
import { settingsOf } from './settings.ts';

/** A service that every machine offers on the same port. */
interface Offer {
  readonly name: 'routerPort' | 'routerTlsPort' | 'consulPort' | 'dnsPort';
  /** The setting of fleetd for its address; the lab chooses no port for a machine with that setting. */
  readonly setting: string;
  /** Preferred ports, in order. */
  readonly wanted: readonly number[];
  /** The offset from --port-base. */
  readonly offset: number;
  /** The beginning of the sentence that names the port. */
  readonly what: string;
}

const OFFERS: readonly Offer[] = [
  { name: 'consulPort', setting: 'consul_listen', wanted: [8500], offset: 2, what: "Consul's API answers" },
  { name: 'dnsPort', setting: 'dns_listen', wanted: [8600], offset: 3, what: 'DNS answers' },
  { name: 'routerPort', setting: 'router_listen', wanted: [80, 8080], offset: 4, what: 'HTTP is routed' },
  { name: 'routerTlsPort', setting: 'router_listen_tls', wanted: [443, 8443], offset: 5, what: 'HTTPS is routed' },
];

/** The number of ports, from its base on, that a lab may use. */
export const PORTS_OF_LAB = 6;
const STORE_PORT = 49_152;

/** Returns the preferred port of the lab's store. */
export function storePort({ portBase }: LabState): number {
  return portBase === undefined ? STORE_PORT : portBase + 1;
}

/**
 * Gives machines that are about to start ports that are free at all their addresses: those of running machines, so that
 * all have the same; else the preferred ones; else their previous ones; else any. Prints a line when a port is not the
 * first preferred or not the previous one.
 */
export async function choosePorts(state: LabState, machines: readonly LabMachine[], io: LabIo): Promise<void> {
  const others = state.machines.filter((machine) => machine.state === 'up' && !machines.includes(machine));
  const portOf = ({ endpoint }: LabMachine) => Number(new URL(endpoint).port);
  const api = await choose(machines, others, { portOf, wanted: [state.port], what: 'The API answers', io });
  for (const machine of machines) machine.endpoint = `http://${machine.address}:${api}`;
  for (const offer of OFFERS) await chooseFor(offer, state, machines, io);
}

async function chooseFor(offer: Offer, state: LabState, starting: readonly LabMachine[], io: LabIo): Promise<void> {
  const { name, setting, offset, what } = offer;
  const isGiven = (machine: LabMachine) => settingsOf(state, machine).has(setting);
  for (const machine of starting.filter(isGiven)) delete machine[name];
  // A machine whose fleetd alone was killed goes on routing, and keeps its port.
  const routesOn = ({ directory }: LabMachine) =>
    setting.startsWith('router_') && isRouted(machinePaths.router(directory));
  const machines = starting.filter((machine) => !isGiven(machine) && !routesOn(machine));
  const others = state.machines.filter(
    (machine) => !machines.includes(machine) && (machine.state === 'up' || routesOn(machine)),
  );
  if (machines.length === 0) return;
  const wanted = state.portBase === undefined ? offer.wanted : [state.portBase + offset];
  const port = await choose(machines, others, { portOf: (machine) => machine[name], wanted, what, io });
  for (const machine of machines) machine[name] = port;
}

interface Choice {
  readonly portOf: (machine: LabMachine) => number | undefined;
  readonly wanted: readonly number[];
  readonly what: string;
  readonly io: LabIo;
}

async function choose(
  machines: readonly LabMachine[],
  others: readonly LabMachine[],
  { portOf, wanted, what, io }: Choice,
): Promise<number> {
  const addresses = machines.map(({ address }) => address);
  const running = others.map(portOf).filter((port) => port !== undefined);
  const before = machines.map(portOf).filter((port) => port !== undefined);
  const port = await freePort(addresses, [...new Set([...running, ...wanted, ...before])]);
  tell(port, wanted[0]!, { before: before[0], what, io });
  return port;
}

/** Prints a line when a port is not the preferred or not the previous one. */
export function tell(
  port: number,
  wanted: number,
  { before, what, io }: { readonly before: number | undefined; readonly what: string; readonly io: LabIo },
): void {
  if (port !== wanted) io.out(`Port ${wanted} cannot be had on this computer; ${lower(what)} on ${port} instead.\n`);
  else if (before !== undefined && before !== port) io.out(`${what} on ${port} now, and no more on ${before}.\n`);
}

function lower(what: string): string {
  return what.startsWith('The ') ? `t${what.slice(1)}` : what;
}
