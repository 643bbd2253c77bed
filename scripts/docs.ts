/** `npm run docs`: writes the generated files of docs/reference/. test/repo/reference.test.ts compares them. */
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { REFERENCE } from './reference/index.ts';

const folder = path.resolve(import.meta.dirname, '../docs/reference');

for (const [name, make] of Object.entries(REFERENCE)) {
  const file = path.join(folder, name);
  const text = make();
  let before: string | undefined;
  try {
    before = readFileSync(file, 'utf8');
  } catch {
    // It is new.
  }
  if (before === text) continue;
  writeFileSync(file, text);
  console.log(`wrote docs/reference/${name}`);
}
