import { isIP } from 'node:net';
import { type Backend, type Route, routeKey } from '../route-table.ts';

/**
 * The servers of one route in HAProxy's configuration: slots that backends take and leave without a new configuration.
 */
export interface Section {
  /** A name that HAProxy accepts. */
  readonly name: string;
  readonly route: Route;
  /** One slot for each server, from `s0`; undefined: free. */
  readonly slots: readonly (Backend | undefined)[];
}

const MIN_SLOTS = 8;
/** HAProxy's largest weight. */
const MAX_WEIGHT = 256;

/**
 * Assigns the backends of each route to slots. A backend keeps its slot; as many again are spare, so that replacing all
 * backends needs no new configuration. An unchanged section is the same object. HAProxy resolves a host name once and
 * refuses the whole configuration when that fails: backends with host names get no slot.
 */
export function assignSlots(routes: readonly Route[], before: readonly Section[]): Section[] {
  const known = new Map(before.map((section) => [section.name, section]));
  return routes.map((route) => {
    const old = known.get(sectionName(route));
    if (old?.route === route) return old;
    const backends = withinWeights(route.backends.filter(({ address }) => isIP(address) !== 0));
    return { name: sectionName(route), route, slots: fill(backends, old?.slots ?? []) };
  });
}

/** Scales the weights down in proportion if any exceeds HAProxy's limit. */
function withinWeights(backends: readonly Backend[]): readonly Backend[] {
  const most = Math.max(1, ...backends.map(({ weight }) => weight));
  if (most <= MAX_WEIGHT) return backends;
  const scaled = (weight: number) => Math.max(1, Math.round((weight * MAX_WEIGHT) / most));
  return backends.map((backend) => ({ ...backend, weight: scaled(backend.weight) }));
}

/** True when HAProxy can go from one to the other without a new configuration. */
export function haveSameShape(a: readonly Section[], b: readonly Section[]): boolean {
  // A route that yields has another place in the configuration.
  const shape = ({ name, slots, route }: Section) => `${name} ${slots.length} ${route.yields ?? false}`;
  return a.length === b.length && a.every((section, index) => shape(section) === shape(b[index]!));
}

function fill(backends: readonly Backend[], before: readonly (Backend | undefined)[]): (Backend | undefined)[] {
  const wanted = new Map(backends.map((backend) => [placeOf(backend), backend]));
  const slots = before.map((old) => {
    const stays = old && wanted.get(placeOf(old));
    if (stays) wanted.delete(placeOf(stays));
    return stays;
  });
  // Reuse the most recently freed slot last, since requests may still be in flight there.
  const free = slots.flatMap((slot, index) => (slot === undefined ? [index] : []));
  free.sort((a, b) => Number(before[a] !== undefined) - Number(before[b] !== undefined));
  for (const backend of wanted.values()) slots[free.shift() ?? slots.length] = backend;
  const room = Math.max(MIN_SLOTS, before.length, slots.length > before.length ? 2 * backends.length : 0);
  while (slots.length < room) slots.push(undefined);
  return slots;
}

/** The same instance at another address counts as another server. */
function placeOf({ id, address, port }: Backend): string {
  return `${id} ${address}:${port}`;
}

function sectionName(route: Route): string {
  const code = (character: string) => `:${character.charCodeAt(0).toString(16)}`;
  return `route-${routeKey(route).replace(/[^\w.-]/g, code)}`;
}
