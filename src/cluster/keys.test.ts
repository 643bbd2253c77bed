import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CLUSTER_KEYS } from './key-table.ts';
import { Keys } from './keys.ts';

test('each key is what its row says', () => {
  const keys = new Keys('/_coreos.com/fleet/');
  for (const [name, { key }] of Object.entries(CLUSTER_KEYS)) {
    const names = key.split('/').filter((part) => part === part.toUpperCase());
    const member = keys[name as keyof typeof CLUSTER_KEYS] as string | ((...parts: string[]) => string);
    const made = typeof member === 'string' ? member : member.call(keys, ...(names as [string, string]));
    assert.equal(made, `/_coreos.com/fleet/${key}`, name);
  }
});
