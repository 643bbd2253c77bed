import assert from 'node:assert/strict';
import { test } from 'node:test';
import { KV_KEYS } from './key-table.ts';
import { KvKeys } from './kv-keys.ts';

test('each key is what its row says', () => {
  const keys = new KvKeys('/_coreos.com/fleet/');
  for (const [name, { key }] of Object.entries(KV_KEYS)) {
    const names = key.split('/').filter((part) => part === part.toUpperCase());
    const made = keys[name as keyof typeof KV_KEYS](...(names as [string, string]));
    assert.equal(made, `/_coreos.com/fleet/${key}`, name);
  }
});
