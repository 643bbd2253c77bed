import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
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

/** The name that a heading has in a link: as GitHub makes it. */
function anchorOf(heading: string): string {
  return heading
    .toLowerCase()
    .replace(/[^\w\s-]/g, '')
    .replaceAll(' ', '-');
}

function anchorsOf(file: string): ReadonlySet<string> {
  const text = readFileSync(path.join(root, file), 'utf8').replace(/^```[\s\S]*?^```/gm, '');
  return new Set([...text.matchAll(/^#+ (.+)$/gm)].map(([, heading]) => anchorOf(heading!)));
}

test('links between documents lead somewhere, to a heading too', () => {
  const broken = docs.flatMap(({ file, text }) =>
    [...text.matchAll(/\]\((?!https?:|mailto:)([^)#\s]*)(?:#([^)\s]*))?\)/g)].flatMap(([, target, anchor]) => {
      const at = target === '' ? file : path.join(path.dirname(file), target!);
      const leads = existsSync(path.join(root, at)) && (anchor === undefined || anchorsOf(at).has(anchor));
      return leads ? [] : [`${file}: ${target}${anchor === undefined ? '' : `#${anchor}`}`];
    }),
  );
  assert.deepEqual(broken, []);
});

test('docs/README.md leads to every page', () => {
  const index = docs.find(({ file }) => file === 'docs/README.md')!.text;
  const missing = sources('docs/**/*.*')
    .map(({ file }) => file.slice('docs/'.length))
    .filter((file) => file !== 'README.md' && !/^adr\/\d/.test(file) && !index.includes(`](${file})`));
  assert.deepEqual(missing, []);
});

test('npm scripts that the documents name exist', () => {
  const scripts = [...docs.flatMap(({ text }) => [...text.matchAll(/\bnpm run ([\w:-]+)/g)].map(([, name]) => name!))];
  const missing = scripts.filter((name) => !new RegExp(`^ {4}"${name}":`, 'm').test(code));
  assert.deepEqual(missing, []);
});
