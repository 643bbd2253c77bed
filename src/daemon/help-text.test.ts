import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SETTINGS, type Setting } from './config-schema.ts';
import { helpText } from './help-text.ts';

test('help shows each setting with a default that a person would write, in 80 columns', () => {
  const help = helpText();
  for (const [name, setting] of Object.entries<Setting<unknown>>(SETTINGS)) {
    assert.match(help, new RegExp(`^  ${name} `, 'm'));
    assert.deepEqual(setting.parse(setting.write(setting.default)), setting.default, name);
  }
  assert.deepEqual(
    help.split('\n').filter((line) => line.length > 80),
    [],
  );
  assert.match(help, /^ {2}agent_ttl .*[\s\S]*?\[30s\]$/m);
  assert.match(help, /\[http:\/\/127\.0\.0\.1:2379,http:\/\/127\.0\.0\.1:4001\]/);
  assert.doesNotMatch(help, /\[\[|\["http|\[\{|30000|\[\]/);
});
