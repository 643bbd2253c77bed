import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { systemClock as clock } from '../../src/lib/index.ts';
import { LogWriter, readLog } from '../../src/runtime/supervisor/journal/index.ts';
import { TAMPERINGS } from './tamperings.ts';

const root = mkdtempSync(path.join(tmpdir(), 'flotilla-tampered-'));
after(() => rmSync(root, { recursive: true, force: true }));

async function read(directory: string): Promise<string[]> {
  const found: string[] = [];
  const options = { lines: 100, follow: false, signal: AbortSignal.timeout(20_000) };
  for await (const entry of readLog(directory, options)) found.push(entry.message.toString());
  return found;
}

/** Every file of a unit's log. */
for (const name of ['current', 'previous'])
  test(`a log whose file ${name} was tampered with is read to its end, and written on`, async () => {
    for (const [index, [what, tamper]] of Object.entries(TAMPERINGS).entries()) {
      const directory = path.join(root, `${name}-${index}`);
      const say = (text: string) => {
        const writer = new LogWriter(directory, { clock, maxFileBytes: 600 });
        writer.append('stdout', 1, 'test', Buffer.from(text));
        writer.close();
      };
      say('first');
      if (name === 'previous') writeFileSync(path.join(directory, name), 'what is no log');
      tamper(path.join(directory, name));
      await read(directory);
      say('second');
      assert.equal((await read(directory)).at(-1), 'second', what);
      // Beyond the size at which files are put aside.
      for (let line = 0; line < 40; line++) say(`line ${line}`);
      assert.equal((await read(directory)).at(-1), 'line 39', what);
    }
  });
