import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isOrdered } from './progress-check.ts';

test('it is known which etcd answers progress requests in order', () => {
  const ordered = ['3.4.25', '3.4.31', '3.5.8', '3.5.17', '3.6.0', '3.6.0-rc.1', '4.0.0'];
  const unordered = ['3.3.27', '3.4.23', '3.5.7', '3.5.0-beta.3', '', 'what'];
  assert.deepEqual(
    ordered.filter((version) => !isOrdered(version)),
    [],
  );
  assert.deepEqual(unordered.filter(isOrdered), []);
});
