import type { UnitOption } from './unit-file.ts';

/**
 * Writes the canonical text: sections in order of first appearance, one option per line, an empty line between
 * sections. The canonical text of a canonical file is the same, byte for byte.
 */
export function serializeUnitFile(options: readonly UnitOption[]): string {
  const sections = new Map<string, string>();
  for (const { section, name, value } of options) {
    sections.set(section, `${sections.get(section) ?? `[${section}]\n`}${name}=${value}\n`);
  }
  return [...sections.values()].join('\n');
}

/**
 * Returns the unit's hash: the SHA-1 of its canonical text in lower-case hex. Comments and blank lines do not count.
 */
export function hashUnit(options: readonly UnitOption[]): string {
  // Loaded on use: importing node:crypto costs fleetctl 5 ms, and many commands need no hash.
  return process.getBuiltinModule('node:crypto').createHash('sha1').update(serializeUnitFile(options)).digest('hex');
}
