import type { BackendReport, RouterSettings } from './data-plane.ts';
import { type Route, type RouteProblem, type RouteTable, routeKey } from './route-table.ts';

/**
 * Messages between fleetd and its router process over Node's IPC channel. Both have the same version: a starting fleetd
 * replaces the router process that it finds.
 */

/** The difference between two tables. */
export interface RouteChanges {
  readonly revision: number;
  readonly machines: readonly string[];
  readonly problems: readonly RouteProblem[];
  readonly set: readonly Route[];
  /** Keys of removed routes. */
  readonly gone: readonly string[];
}

export type ToRouter =
  /** The first message, sent once: the listeners and the routes. */
  | { readonly type: 'start'; readonly settings: RouterSettings; readonly table: RouteTable }
  | { readonly type: 'change'; readonly changes: RouteChanges }
  | { readonly type: 'backends'; readonly call: number }
  | { readonly type: 'drain'; readonly call: number; readonly backendId: string }
  | { readonly type: 'close' };

export type FromRouter =
  | { readonly type: 'listening'; readonly addresses: readonly string[] }
  /** The router cannot start or continue, and ends after this message. */
  | { readonly type: 'failed'; readonly because: string }
  | { readonly type: 'answer'; readonly call: number; readonly backends: readonly BackendReport[] };

export function changesBetween(before: RouteTable, after: RouteTable): RouteChanges {
  const old = new Map(before.routes.map((route) => [routeKey(route), route]));
  const set = after.routes.filter((route) => old.get(routeKey(route)) !== route);
  for (const route of after.routes) old.delete(routeKey(route));
  const { revision, machines, problems } = after;
  return { revision, machines, problems, set, gone: [...old.keys()] };
}

/** Applies `changes` to the table; unchanged routes stay the same objects. */
export function applyChanges(table: RouteTable, { set, gone, ...rest }: RouteChanges): RouteTable {
  const routes = new Map(table.routes.map((route) => [routeKey(route), route]));
  for (const key of gone) routes.delete(key);
  for (const route of set) routes.set(routeKey(route), route);
  return { ...rest, routes: [...routes.values()] };
}
