import { isIP } from 'node:net';
import { type Backend, type Route, routeKey } from '../route-table.ts';

/** The servers of one route in HAProxy's configuration: places that backends come to and leave without a new one. */
export interface Section {
  /** As HAProxy may name it. */
  readonly name: string;
  readonly route: Route;
  /** One for each server, `s0` and on; undefined: free. */
  readonly slots: readonly (Backend | undefined)[];
}

const MIN_SLOTS = 8;
/** HAProxy's weights end here. */
const MAX_WEIGHT = 256;

/**
 * Puts the backends of each route into slots. Who has one keeps it; there is room for as many again, so that a replacement
 * of all needs no new configuration. A section is the same object again when nothing of it changed. HAProxy looks a host name
 * up once, and refuses a whole configuration for one that it does not find: such backends get no slot.
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

/** The backends with smaller weights that share requests alike, if any weight is too large. */
function withinWeights(backends: readonly Backend[]): readonly Backend[] {
  const most = Math.max(1, ...backends.map(({ weight }) => weight));
  if (most <= MAX_WEIGHT) return backends;
  const scaled = (weight: number) => Math.max(1, Math.round((weight * MAX_WEIGHT) / most));
  return backends.map((backend) => ({ ...backend, weight: scaled(backend.weight) }));
}

/** True when HAProxy needs no new configuration to go from one to the other. */
export function haveSameShape(a: readonly Section[], b: readonly Section[]): boolean {
  // A route that yields has another place in the order.
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
  // One that has just been left is the last to be taken again: requests may still be under way there.
  const free = slots.flatMap((slot, index) => (slot === undefined ? [index] : []));
  free.sort((a, b) => Number(before[a] !== undefined) - Number(before[b] !== undefined));
  for (const backend of wanted.values()) slots[free.shift() ?? slots.length] = backend;
  const room = Math.max(MIN_SLOTS, before.length, slots.length > before.length ? 2 * backends.length : 0);
  while (slots.length < room) slots.push(undefined);
  return slots;
}

/** The same instance at another address is another server. */
function placeOf({ id, address, port }: Backend): string {
  return `${id} ${address}:${port}`;
}

function sectionName(route: Route): string {
  const code = (character: string) => `:${character.charCodeAt(0).toString(16)}`;
  return `route-${routeKey(route).replace(/[^\w.-]/g, code)}`;
}
