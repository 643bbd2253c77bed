import type { BackendReport, RouterSettings } from './data-plane.ts';
import { type Route, type RouteProblem, type RouteTable, routeKey } from './route-table.ts';

/**
 * The talk between fleetd and its router process, over node's channel between a parent and its child. Both are of the
 * same version: a fleetd that starts puts its own process in the place of the one it finds.
 */

/** What changed from one table to the next. */
export interface RouteChanges {
  readonly revision: number;
  readonly machines: readonly string[];
  readonly problems: readonly RouteProblem[];
  readonly set: readonly Route[];
  /** Keys of routes that are no more. */
  readonly gone: readonly string[];
}

export type ToRouter =
  /** Comes first, once: what to listen on and where requests go. */
  | { readonly type: 'start'; readonly settings: RouterSettings; readonly table: RouteTable }
  | { readonly type: 'change'; readonly changes: RouteChanges }
  | { readonly type: 'backends'; readonly call: number }
  | { readonly type: 'drain'; readonly call: number; readonly backendId: string }
  | { readonly type: 'close' };

export type FromRouter =
  | { readonly type: 'listening'; readonly addresses: readonly string[] }
  /** It cannot start, or not carry on; it ends after this. */
  | { readonly type: 'failed'; readonly because: string }
  | { readonly type: 'answer'; readonly call: number; readonly backends: readonly BackendReport[] };

export function changesBetween(before: RouteTable, after: RouteTable): RouteChanges {
  const old = new Map(before.routes.map((route) => [routeKey(route), route]));
  const set = after.routes.filter((route) => old.get(routeKey(route)) !== route);
  for (const route of after.routes) old.delete(routeKey(route));
  const { revision, machines, problems } = after;
  return { revision, machines, problems, set, gone: [...old.keys()] };
}

/** The table after `changes`; routes that are not among them stay the same objects. */
export function applyChanges(table: RouteTable, { set, gone, ...rest }: RouteChanges): RouteTable {
  const routes = new Map(table.routes.map((route) => [routeKey(route), route]));
  for (const key of gone) routes.delete(key);
  for (const route of set) routes.set(routeKey(route), route);
  return { ...rest, routes: [...routes.values()] };
}
