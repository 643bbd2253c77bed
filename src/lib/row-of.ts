/**
 * `table[key]` for a key that came from outside: only a row of the table itself. Every object inherits `constructor`,
 * `toString` and the like, which are rows of none.
 */
export function rowOf<T>(table: Readonly<Record<string, T>>, key: string | undefined): T | undefined {
  return key !== undefined && Object.hasOwn(table, key) ? table[key] : undefined;
}
