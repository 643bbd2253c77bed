/**
 * Returns `table[key]` for an untrusted key, only if the row is the table's own. Every object inherits `constructor`,
 * `toString` and others, which are not rows.
 */
export function rowOf<T>(table: Readonly<Record<string, T>>, key: string | undefined): T | undefined {
  return key !== undefined && Object.hasOwn(table, key) ? table[key] : undefined;
}
