import type { Call, Method } from './call.ts';
import { certificateCalls } from './certificate.ts';
import { eventCall } from './event.ts';
import { documentCalls, fleetdCalls } from './fleetd.ts';
import { leaderCall, machineCalls } from './machine.ts';
import { routerCalls } from './router.ts';
import { serviceCalls } from './service.ts';
import { unitCalls } from './unit-calls.ts';
import { peerCalls } from './unit-output.ts';
import { unitStateCalls } from './unit-state.ts';

/** Where the API is served: today's prefix, and the one that old clients of fleet use. */
export const PREFIXES = ['/fleet/v1', '/v1-alpha'] as const;
export type Prefix = (typeof PREFIXES)[number];

/** The API: every call by resource and name, as the discovery document lists them. */
export const DOCUMENTED = {
  Machines: machineCalls,
  Units: unitCalls,
  UnitState: unitStateCalls,
  Services: serviceCalls,
  Router: { ...routerCalls, ...certificateCalls },
  Cluster: { ...eventCall, ...leaderCall, ...fleetdCalls },
} as const satisfies CallTable;

/** Every call that a fleetd serves below the API's prefix. */
export const CALLS = { ...DOCUMENTED, Peers: peerCalls, Documents: documentCalls } as const satisfies CallTable;

type CallTable = Readonly<Record<string, Readonly<Record<string, Call>>>>;

type Values<Table> = Table[keyof Table];
type ApiCall = { [Group in keyof typeof CALLS]: Values<(typeof CALLS)[Group]> }[keyof typeof CALLS];

/** The call with that method and path. */
export type CallAt<M extends Method, Path extends string> = Extract<
  ApiCall,
  { readonly method: M; readonly path: Path }
>;

/** Every path that has a call with that method. */
export type PathOf<M extends Method> = Extract<ApiCall, { readonly method: M }>['path'];
