import assert from 'node:assert/strict';
import { KeyValue } from '../proto/index.ts';
import { decodeLogEntry } from './change-log.ts';
import type { Database } from './database.ts';
import { historyKey, revisionOfLogKey } from './keys.ts';

const PROBE = Buffer.from('probe');

/** Reads everything and writes a little; throws when something is missing. Takes time in proportion to the data. */
export function verify({ tables }: Database): void {
  for (const { key, value } of tables.current.getRange({})) assert.deepEqual(KeyValue.decode(value).key, key);
  for (const { key, value } of tables.history.getRange({})) {
    const record = KeyValue.decode(value);
    assert.deepEqual(historyKey(record.key, record.modRevision), key);
  }
  for (const { key, value } of tables.log.getRange({})) {
    const entry = decodeLogEntry(value);
    assert.ok(tables.history.get(historyKey(entry.key, revisionOfLogKey(key))));
  }
  for (const table of [tables.leases, tables.leaseKeys, tables.meta]) assert.ok(Array.from(table.getRange({})));
  // A write needs the list of free pages.
  tables.meta.putSync(PROBE, PROBE);
}
