import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { parseUnitFile } from '../unitfile/index.ts';
import { checkDirectives } from './check-directives.ts';

function told(text: string, name = 'a.service'): string[] {
  const { options, lines } = parseUnitFile(text);
  return checkDirectives(name, options, lines).map(({ line, message, severity }) => `${severity} ${line}: ${message}`);
}

test('keys and sections that systemd does not know are named with the nearest one', () => {
  assert.deepEqual(told('[Service]\nExecStrt=/bin/x\nexecstop=/bin/y\nExecStrt=/bin/z\n'), [
    'warning 2: unknown key ExecStrt= in [Service]: did you mean ExecStart=?',
    'warning 3: unknown key execstop= in [Service]: did you mean ExecStop=?',
  ]);
  assert.deepEqual(told('[Servce]\nExecStart=/bin/x\nUser=a\n[Socket]\nListenStream=1\n'), [
    'warning 2: systemd ignores the section [Servce] here: did you mean [Service]?',
    'warning 5: systemd ignores the section [Socket] here',
  ]);
  assert.deepEqual(told('[Unit]\nUser=nobody\nQqqqq=1\n[Install]\nWantdBy=x.target\n'), [
    'warning 2: unknown key User= in [Unit]: it belongs into [Service]',
    'warning 3: unknown key Qqqqq= in [Unit]: systemd 252 ignores it',
    'warning 5: unknown key WantdBy= in [Install]: did you mean WantedBy=?',
  ]);
});

test('what systemd and fleet know, and what is other programs’, is no mistake', () => {
  const service =
    '[Unit]\nDescription=x\nConditionPathExists=/x\nX-Note=1\n[Service]\nExecStart=/bin/x\nMemoryMax=1G\n';
  assert.deepEqual(
    told(`${service}StartLimitBurst=3\n[Install]\nWantedBy=a.target\n[X-Fleet]\nGlobal=yes\n[X-Own]\nA=1\n`),
    [],
  );
  assert.deepEqual(told('[Timer]\nOnCalendar=daily\n', 'a.timer'), []);
  assert.deepEqual(told('[Unit]\nRequires=b.service\n', 'a.target'), []);
});

test('a file of something else does not fill the screen', () => {
  const lines = Array.from({ length: 5000 }, (_, i) => `${'K'.repeat(i % 1000)}${i}=1`);
  assert.equal(told(`[Service]\n${lines.join('\n')}\n`).length, 20);
});

test('the examples have no such mistakes', () => {
  const root = join(import.meta.dirname, '../..');
  const files = globSync(['examples/**/*.service', 'test/e2e/fixtures/**/*.service'], { cwd: root });
  assert.ok(files.length > 10);
  for (const file of files) assert.deepEqual(told(readFileSync(join(root, file), 'utf8'), file), [], file);
});
