import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { root, sources } from './sources.ts';

const docs = sources('*.md', 'docs/**/*.md', 'src/**/*.md', 'bench/*.md', 'test/**/*.md').filter(
  ({ file }) => file !== 'CHANGELOG.md',
);
const code = sources('src/**/*.ts', 'scripts/**/*', 'test/**/*.ts', 'bench/**/*.ts', 'package.json', 'bin/*')
  .map(({ text }) => text)
  .join('\n');

/** What stands in backticks outside fenced blocks. */
function quoted(text: string): string[] {
  return [...text.replace(/^```[\s\S]*?^```/gm, '').matchAll(/`([^`\n]+)`/g)].map(([, inner]) => inner!);
}

test('paths that the documents name exist', () => {
  const missing = docs.flatMap(({ file, text }) =>
    quoted(text)
      .filter((name) => /^(src|test|bench|docs|examples|scripts|bin)\/[\w./-]+$/.test(name))
      .filter((name) => !existsSync(path.join(root, name)))
      .map((name) => `${file}: ${name}`),
  );
  assert.deepEqual(missing, []);
});

test('files and folders that the README of a folder names are in it', () => {
  const missing = docs
    .filter(({ file }) => file.startsWith('src/'))
    .flatMap(({ file, text }) =>
      quoted(text)
        .filter(
          (name) => /^[a-z][\w-]*(\/[\w-]+)*(\.ts|\/)$/.test(name) && !/^(src|test|bench|docs|scripts)\//.test(name),
        )
        .filter((name) => !existsSync(path.join(root, path.dirname(file), name)))
        .map((name) => `${file}: ${name}`),
    );
  assert.deepEqual(missing, []);
});

test('each folder that decides something has a page about it', () => {
  for (const folder of ['agent', 'router', 'runtime', 'services', 'store'])
    assert.ok(
      docs.some(({ file }) => file === `src/${folder}/README.md`),
      folder,
    );
});

test('functions and types that the documents name are in the code', () => {
  const missing = docs.flatMap(({ file, text }) =>
    quoted(text)
      .flatMap((name) => /^(?:([a-z]\w*[A-Z]\w*|[A-Z][a-z]+[A-Z]\w*)|([a-z]\w+)\([^)]*\))$/.exec(name) ?? [])
      .filter((name): name is string => name !== undefined && /^\w+$/.test(name))
      .filter((name) => !new RegExp(`\\b${name}\\b`).test(code))
      .map((name) => `${file}: ${name}`),
  );
  assert.deepEqual(missing, []);
});

test('links between documents lead somewhere', () => {
  const broken = docs.flatMap(({ file, text }) =>
    [...text.matchAll(/\]\((?!https?:|mailto:|#)([^)#\s]+)(?:#[^)]*)?\)/g)]
      .map(([, target]) => target!)
      .filter((target) => !existsSync(path.join(root, path.dirname(file), target)))
      .map((target) => `${file}: ${target}`),
  );
  assert.deepEqual(broken, []);
});

test('npm scripts that the documents name exist', () => {
  const scripts = [...docs.flatMap(({ text }) => [...text.matchAll(/\bnpm run ([\w:-]+)/g)].map(([, name]) => name!))];
  const missing = scripts.filter((name) => !new RegExp(`^ {4}"${name}":`, 'm').test(code));
  assert.deepEqual(missing, []);
});
