import type { Machine, Needs } from '../model/index.ts';

/** Returns the first key of which the machine has none of the values; undefined when it qualifies. */
export function lackingKey(wanted: Needs['metadata'], { metadata: has }: Machine): string | undefined {
  for (const key in wanted) {
    const value = Object.hasOwn(has, key) ? has[key] : undefined;
    if (value === undefined || !wanted[key]!.includes(value)) return key;
  }
  return undefined;
}
