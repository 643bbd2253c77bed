import type { UnitOption } from './unit-file.ts';

/**
 * The canonical text: sections in order of first appearance, an option a line, an empty line between sections. A file
 * that is already so comes out byte for byte.
 */
export function serializeUnitFile(options: readonly UnitOption[]): string {
  const sections = new Map<string, string>();
  for (const { section, name, value } of options) {
    sections.set(section, `${sections.get(section) ?? `[${section}]\n`}${name}=${value}\n`);
  }
  return [...sections.values()].join('\n');
}

/** A unit's identity: the SHA-1 of its canonical text, lower-case hex. Comments and blank lines do not count. */
export function hashUnit(options: readonly UnitOption[]): string {
  // Not imported: loading it costs fleetctl 5 ms, and many a command wants no hash.
  return process.getBuiltinModule('node:crypto').createHash('sha1').update(serializeUnitFile(options)).digest('hex');
}
