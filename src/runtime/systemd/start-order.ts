import { parseUnitName, type UnitOption, wordsOf } from '../../unitfile/index.ts';

/**
 * Sorts units so that each comes after those that After= and Before= put before it. Units in a cycle come in any order.
 */
export function startOrder(units: ReadonlyMap<string, readonly UnitOption[]>): string[] {
  const earlier = new Map<string, string[]>([...units.keys()].map((name) => [name, []]));
  for (const [name, options] of units) {
    earlier.get(name)!.push(...namesIn('After', name, options));
    for (const later of [...namesIn('Before', name, options), ...triggeredBy(name, options)])
      earlier.get(later)?.push(name);
  }
  const order: string[] = [];
  const seen = new Set<string>();
  for (const first of units.keys()) {
    const path = seen.has(first) ? [] : [first];
    while (path.length > 0) {
      const name = path.at(-1)!;
      seen.add(name);
      const other = earlier.get(name)!.shift();
      if (other === undefined) order.push(path.pop()!);
      else if (units.has(other) && !seen.has(other)) path.push(other);
    }
  }
  return order;
}

/** A list of unusual length is left to systemd, which itself orders jobs that wait together. */
function namesIn(option: 'After' | 'Before', unit: string, options: readonly UnitOption[]): string[] {
  return options
    .filter(({ section, name }) => section === 'Unit' && name === option)
    .flatMap(({ value }) => wordsOf(unit, value) ?? []);
}

/** Sockets, paths and timers implicitly come before the unit that they start. */
function triggeredBy(unit: string, options: readonly UnitOption[]): string[] {
  const { name, suffix } = parseUnitName(unit);
  const section = { socket: 'Socket', path: 'Path', timer: 'Timer' }[suffix];
  if (section === undefined) return [];
  const option = suffix === 'socket' ? 'Service' : 'Unit';
  const named = options.findLast((each) => each.section === section && each.name === option);
  return named === undefined ? [`${name}.service`] : (wordsOf(unit, named.value) ?? []);
}
